#include "router/http/openai_completions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/router/http/fake_team.h"

namespace sain::router {
namespace {

using nlohmann::json;
using ::testing::EndsWith;

constexpr const char* kPath = "/v1/completions";

TEST(OpenAiCompletions, ContinueTextsAsTheyAre) {
  FakeApi api;
  const json answer = api.post(kPath, R"({"prompt": ["Once", "Twice"], "n": 2, "max_tokens": 5})").json();
  EXPECT_EQ(answer["object"], "text_completion");
  ASSERT_EQ(answer["choices"].size(), 4u);
  EXPECT_EQ(answer["choices"][3]["index"], 3);
  EXPECT_EQ(answer["choices"][3]["text"], "Hello");
  EXPECT_EQ(answer["choices"][3]["finish_reason"], "stop");
  EXPECT_EQ(answer["usage"], (json{{"prompt_tokens", 14}, {"completion_tokens", 12}, {"total_tokens", 26}}));
  EXPECT_EQ(api.team->asked, "Twice");
  EXPECT_TRUE(api.team->asked_options.answer.is_raw);
}

TEST(OpenAiCompletions, Stream) {
  FakeApi api;
  const RecordingWriter writer = api.post(
      kPath, R"({"prompt": "Once", "stream": true, "stream_options": {"include_usage": true}, "logprobs": 1})");
  const std::vector<json> events = writer.events();
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[1]["choices"][0]["text"], "lo");
  const json& logprobs = events[1]["choices"][0]["logprobs"];
  EXPECT_EQ(logprobs["tokens"], json{"lo"});
  EXPECT_EQ(logprobs["token_logprobs"], json{-0.5});
  EXPECT_EQ(logprobs["text_offset"], json{3});
  EXPECT_EQ(logprobs["top_logprobs"][0], (json{{"other", -1.5}}));
  EXPECT_EQ(events[2]["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(events[3]["usage"]["total_tokens"], 10);
  EXPECT_THAT(writer.response.body, EndsWith("data: [DONE]\n\n"));
}

TEST(OpenAiCompletions, AWrongFieldIsNamed) {
  FakeApi api;
  const std::pair<const char*, const char*> cases[] = {
      {R"({})", "prompt"},
      {R"({"prompt": ""})", "prompt"},
      {R"({"prompt": [1, 2]})", "prompt"},
      {R"({"prompt": "a", "logprobs": 21})", "logprobs"},
      {R"({"prompt": "a", "echo": true})", "echo"},
      {R"({"prompt": "a", "best_of": 2})", "best_of"},
      {R"({"prompt": "a", "suffix": "b"})", "suffix"},
      {R"({"prompt": "a", "max_tokens": -5})", "max_tokens"},
  };
  for (const auto& [body, param] : cases) {
    const RecordingWriter writer = api.post(kPath, body);
    EXPECT_EQ(writer.response.status, 400) << body;
    EXPECT_EQ(writer.json()["error"]["param"], param) << body;
  }
}

}  // namespace
}  // namespace sain::router
