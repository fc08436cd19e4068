#include "router/http/anthropic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/router/http/fake_team.h"

namespace sain::router {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kPath = "/v1/messages";

std::string body(const json& fields = json::object()) {
  json body = {
      {"model", "auto"}, {"max_tokens", 9}, {"messages", json::array({{{"role", "user"}, {"content", "Hi"}}})}};
  body.update(fields);
  return body.dump();
}

TEST(Anthropic, AnswersAsAWhole) {
  FakeApi api;
  const json answer = api.post(kPath, body()).json();
  EXPECT_THAT(answer["id"].get<std::string>(), StartsWith("msg_"));
  EXPECT_EQ(answer["type"], "message");
  EXPECT_EQ(answer["role"], "assistant");
  EXPECT_EQ(answer["model"], "assistant");
  EXPECT_EQ(answer["content"], (json::array({{{"type", "text"}, {"text", "Hello"}}})));
  EXPECT_EQ(answer["stop_reason"], "end_turn");
  EXPECT_EQ(answer["usage"], (json{{"input_tokens", 7}, {"output_tokens", 3}}));
  EXPECT_EQ(api.team->asked_options.answer.max_tokens, 9u);
  api.team->finish_reason = engine::FinishReason::kLength;
  EXPECT_EQ(api.post(kPath, body()).json()["stop_reason"], "max_tokens");
}

TEST(Anthropic, SaysWhichStopSequenceItWas) {
  FakeApi api;
  api.team->stop_string = "END";
  const json fields = {{"stop_sequences", {"x", "END"}}};
  const json answer = api.post(kPath, body(fields)).json();
  EXPECT_EQ(answer["stop_reason"], "stop_sequence");
  EXPECT_EQ(answer["stop_sequence"], "END");
  json streamed = fields;
  streamed["stream"] = true;
  const auto events = api.post(kPath, body(streamed)).events();
  EXPECT_EQ(events.at(events.size() - 2)["delta"], (json{{"stop_reason", "stop_sequence"}, {"stop_sequence", "END"}}));
  EXPECT_EQ(api.post(kPath, body()).json()["stop_reason"], "end_turn") << "one of the member's own";
}

TEST(Anthropic, StreamsItsEvents) {
  FakeApi api;
  const RecordingWriter writer = api.post(kPath, body({{"stream", true}}));
  std::vector<std::string> kinds;
  for (const json& event : writer.events()) {
    kinds.push_back(event["type"]);
    EXPECT_THAT(writer.response.body, HasSubstr("event: " + kinds.back() + "\ndata: {\"type\":\"" + kinds.back()));
  }
  EXPECT_THAT(kinds, ElementsAre("message_start", "content_block_start", "content_block_delta", "content_block_delta",
                                 "content_block_stop", "message_delta", "message_stop"));
  const auto events = writer.events();
  EXPECT_EQ(events[0]["message"]["usage"]["input_tokens"], 7);
  EXPECT_EQ(events[3]["delta"], (json{{"type", "text_delta"}, {"text", "lo"}}));
  EXPECT_EQ(events[5]["delta"]["stop_reason"], "end_turn");
  EXPECT_EQ(events[5]["usage"]["output_tokens"], 3);
}

TEST(Anthropic, ReadsSystemAndBlocks) {
  const auto asked = parse_anthropic(
      R"({"model": "coding", "max_tokens": 1, "system": [{"type": "text", "text": "Be kind."}], "stop_sequences": ["x"],
          "messages": [{"role": "user", "content": "a"},
                       {"role": "assistant", "content": [{"type": "text", "text": "b"}]},
                       {"role": "user", "content": [{"type": "text", "text": "c"}]}]})",
      AnthropicUse::kAnswer);
  ASSERT_TRUE(asked) << asked.error().message;
  EXPECT_EQ(asked->call.options.answer.system_prompt, "Be kind.");
  EXPECT_THAT(asked->call.options.answer.stop_strings, ElementsAre("x"));
  ASSERT_EQ(asked->call.turns.size(), 1u);
  EXPECT_EQ(asked->call.turns[0].answer, "b");
  EXPECT_EQ(asked->call.request, "c");
}

TEST(Anthropic, CountsTokensOfWhoeverWouldReadThem) {
  FakeApi api;
  const std::string path = "/v1/messages/count_tokens";
  EXPECT_EQ(api.post(path, R"({"model": "auto", "messages": [{"role": "user", "content": "Hi"}]})").json(),
            (json{{"input_tokens", 2}}));
  EXPECT_EQ(api.post(path, body({{"model", "coding"}, {"system", "abc"}})).json(), (json{{"input_tokens", 1005}}));
}

TEST(Anthropic, ErrorsHaveItsForm) {
  FakeApi api;
  const RecordingWriter unknown = api.post(kPath, body({{"model", "claude"}}));
  EXPECT_EQ(unknown.response.status, 404);
  EXPECT_EQ(unknown.json()["type"], "error");
  EXPECT_EQ(unknown.json()["error"]["type"], "not_found_error");
  const std::pair<json, const char*> cases[] = {
      {{{"max_tokens", nullptr}}, "max_tokens: expected"},
      {{{"max_tokens", -1}}, "max_tokens: expected"},
      {{{"temperature", 1.5}}, "temperature: expected"},
      {{{"system", 5}}, "system: expected"},
      {{{"messages", json::array({{{"role", "system"}, {"content", "a"}}})}}, "messages[0].role: expected"},
      {{{"messages", json::array({{{"role", "user"}}})}}, "messages[0].content: expected"},
      {{{"tools", json::array({1})}}, "tools[0]"},
      {{{"thinking", {{"type", "enabled"}}}}, "thinking: expected"},
  };
  for (const auto& [fields, message] : cases) {
    const RecordingWriter writer = api.post(kPath, body(fields));
    EXPECT_EQ(writer.response.status, 400) << fields;
    EXPECT_EQ(writer.json()["error"]["type"], "invalid_request_error");
    EXPECT_THAT(writer.json()["error"]["message"].get<std::string>(), HasSubstr(message));
  }
}

TEST(Anthropic, AnErrorEndsTheStream) {
  FakeApi api;
  api.team->fails_midway = true;
  const auto events = api.post(kPath, body({{"stream", true}, {"model", "coding"}})).events();
  EXPECT_EQ(events.back()["type"], "error");
  EXPECT_EQ(events.back()["error"]["type"], "api_error");
}

}  // namespace
}  // namespace sain::router
