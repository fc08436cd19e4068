// What users of other systems ask for of an API and of its security, where no other test is named after it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "router/http/http_server.h"
#include "tests/router/http/fake_team.h"

namespace sain::router {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr const char* kChat = "/v1/chat/completions";

std::string chat(const json& fields) {
  json body = {{"messages", json::array({{{"role", "user"}, {"content", "Hi"}}})}};
  body.update(fields);
  return body.dump();
}

TEST(Expectations, EveryChunkHasAFinishReason) {
  FakeApi api;
  const json tools = json::array({{{"type", "function"}, {"function", {{"name", "f"}}}}});
  api.team->pieces = {"Hello", " <tool_call>{\"name\": \"f\", ", "\"arguments\": {}}", "</tool_call>"};
  size_t n_chunks = 0;
  for (const json& chunk : api.post(kChat, chat({{"stream", true}, {"n", 2}, {"tools", tools}})).events())
    for (const json& choice : chunk["choices"]) {
      EXPECT_TRUE(choice.contains("finish_reason")) << chunk;
      ++n_chunks;
    }
  EXPECT_GE(n_chunks, 6u);
}

TEST(Expectations, NegativeSizesAreRefused) {
  FakeApi api;
  for (const char* field : {"max_tokens", "max_completion_tokens", "n", "top_k", "top_logprobs"}) {
    const RecordingWriter writer = api.post(kChat, chat({{field, -1}, {"logprobs", true}}));
    EXPECT_EQ(writer.response.status, 400) << field;
    EXPECT_EQ(writer.json()["error"]["param"], field);
  }
  const std::string messages = R"("messages": [{"role": "user", "content": "Hi"}])";
  EXPECT_EQ(api.post("/v1/messages", "{\"max_tokens\": -1, " + messages + "}").response.status, 400);
  EXPECT_EQ(api.post("/v1/responses", R"({"input": "Hi", "max_output_tokens": -1})").response.status, 400);
  EXPECT_EQ(api.post("/api/chat", "{\"model\": \"auto\", \"options\": {\"num_predict\": -9}, " + messages + "}")
                .response.status,
            400);
}

TEST(Expectations, ARoleOutOfOrderIsRefused) {
  FakeApi api;
  const json user = {{"role", "user"}, {"content", "Hi"}}, assistant = {{"role", "assistant"}, {"content", "Hello"}};
  for (const json& messages :
       {json::array({assistant, user}), json::array({user, assistant}), json::array({assistant})}) {
    const RecordingWriter writer = api.post(kChat, json{{"messages", messages}}.dump());
    EXPECT_EQ(writer.response.status, 400) << messages;
    EXPECT_THAT(writer.json()["error"]["message"].get<std::string>(), HasSubstr("expected"));
  }
}

TEST(Expectations, NoPathLeadsOutThroughANameOfAModel) {
  FakeApi api;
  for (const char* name :
       {"../../etc/passwd", "..%2f..%2fetc%2fpasswd", "/etc/passwd", "coding/../assistant", "coding\\..", ""}) {
    EXPECT_EQ(api.ask(http_request("GET", std::string("/v1/models/") + name)).response.status, 404) << name;
    const RecordingWriter writer = api.post(kChat, chat({{"model", name}}));
    EXPECT_EQ(writer.response.status, *name == '\0' ? 400 : 404) << name;
  }
}

TEST(Expectations, BadJsonGrammarsAndTextKillNothing) {
  FakeApi api;
  for (const std::string& body :
       {std::string("{\"messages\": "), chat({{"grammar", "root ::= root"}}), chat({{"grammar", "root ::= (((("}}),
        std::string("{\"messages\": [{\"role\": \"user\", \"content\": \"\xC3\"}]}"), std::string("\xFF\xFE"),
        chat({{"response_format", {{"type", "json_schema"}, {"schema", {{"$ref", "#/x"}}}}}})}) {
    const RecordingWriter writer = api.post(kChat, body);
    EXPECT_EQ(writer.response.status, 400) << body;
    EXPECT_FALSE(writer.json()["error"]["message"].get<std::string>().empty());
  }
  EXPECT_EQ(api.post(kChat, chat(json::object())).response.status, 200);
}

TEST(Expectations, LoopbackIsTheDefault) {
  EXPECT_EQ(HttpServerOptions().host, "127.0.0.1");
}

}  // namespace
}  // namespace sain::router
