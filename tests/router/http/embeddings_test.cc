#include "router/http/embeddings.h"

#include <gtest/gtest.h>

#include "tests/router/http/fake_team.h"

namespace sain::router {
namespace {

using nlohmann::json;

constexpr const char* kPath = "/v1/embeddings";

TEST(Embeddings, TakesTextsAndTokens) {
  FakeApi api;
  const std::pair<const char*, int> cases[] = {
      {R"({"input": "a"})", 3},
      {R"({"input": ["a", "b"], "model": "minilm"})", 6},
      {R"({"input": [5, 6]})", 2},
      {R"({"input": [[5, 6], [7], "a"]})", 6},
  };
  for (const auto& [body, n_tokens] : cases) {
    const json answer = api.post(kPath, body).json();
    EXPECT_EQ(answer["object"], "list") << answer;
    EXPECT_EQ(answer["model"], "minilm");
    EXPECT_EQ(answer["usage"]["prompt_tokens"], n_tokens) << body;
    EXPECT_EQ(answer["data"].back()["index"], answer["data"].size() - 1);
    EXPECT_EQ(answer["data"][0]["embedding"], (json{0.5, -2}));
  }
  const json answer = api.post(kPath, R"({"input": "a", "encoding_format": "base64"})").json();
  EXPECT_EQ(answer["data"][0]["embedding"], "AAAAPwAAAMA=");
}

TEST(Embeddings, WhatIsWrongIsNamed) {
  FakeApi api;
  for (const char* body : {R"({})", R"({"input": ""})", R"({"input": []})", R"({"input": [""]})", R"({"input": [-1]})",
                           R"({"input": [1.5]})", R"({"input": [[99999999999]]})", R"({"input": [[]]})"}) {
    const RecordingWriter writer = api.post(kPath, body);
    EXPECT_EQ(writer.response.status, 400) << body;
    EXPECT_EQ(writer.json()["error"]["param"], "input") << body;
  }
  EXPECT_EQ(api.post(kPath, R"({"input": "a", "encoding_format": "hex"})").json()["error"]["param"], "encoding_format");
  EXPECT_EQ(api.post(kPath, R"({"input": "a", "dimensions": 2})").json()["error"]["param"], "dimensions");
  EXPECT_EQ(api.post(kPath, R"({"input": "a", "model": "coding"})").response.status, 404);
}

}  // namespace
}  // namespace sain::router
