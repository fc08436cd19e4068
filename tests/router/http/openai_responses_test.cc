#include "router/http/openai_responses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/router/http/fake_team.h"

namespace sain::router {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;

constexpr const char* kPath = "/v1/responses";

TEST(OpenAiResponses, AnswerAsAWhole) {
  FakeApi api;
  const json answer = api.post(kPath, R"({"input": "Hi", "instructions": "Be kind.", "max_output_tokens": 5})").json();
  EXPECT_EQ(answer["object"], "response");
  EXPECT_EQ(answer["status"], "completed");
  EXPECT_EQ(answer["output"][0]["content"][0]["text"], "Hello");
  EXPECT_EQ(answer["usage"]["input_tokens"], 7);
  EXPECT_EQ(answer["usage"]["total_tokens"], 10);
  EXPECT_EQ(api.team->asked_options.answer.system_prompt, "Be kind.");
  EXPECT_EQ(api.team->asked_options.answer.max_tokens, 5u);
  api.team->finish_reason = engine::FinishReason::kLength;
  const json cut = api.post(kPath, R"({"input": "Hi"})").json();
  EXPECT_EQ(cut["status"], "incomplete");
  EXPECT_EQ(cut["incomplete_details"]["reason"], "max_output_tokens");
}

TEST(OpenAiResponses, StreamTheirEvents) {
  FakeApi api;
  const auto events = api.post(kPath, R"({"input": "Hi", "stream": true})").events();
  std::vector<std::string> kinds;
  for (const json& event : events) {
    EXPECT_EQ(event["sequence_number"], kinds.size());
    kinds.push_back(event["type"]);
  }
  EXPECT_THAT(kinds, ElementsAre("response.created", "response.in_progress", "response.output_item.added",
                                 "response.content_part.added", "response.output_text.delta",
                                 "response.output_text.delta", "response.output_text.done",
                                 "response.content_part.done", "response.output_item.done", "response.completed"));
  EXPECT_EQ(events[5]["delta"], "lo");
  EXPECT_EQ(events[6]["text"], "Hello");
  EXPECT_EQ(events[9]["response"]["id"], events[0]["response"]["id"]);
}

TEST(OpenAiResponses, ReadAListOfMessages) {
  const auto asked = parse_openai_response(R"({"input": [
      {"role": "developer", "content": "Be brief."},
      {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]},
      {"role": "assistant", "content": [{"type": "output_text", "text": "b"}]},
      {"role": "user", "content": "c"}]})");
  ASSERT_TRUE(asked) << asked.error().message;
  EXPECT_EQ(asked->call.options.answer.system_prompt, "Be brief.");
  ASSERT_EQ(asked->call.turns.size(), 1u);
  EXPECT_EQ(asked->call.turns[0].answer, "b");
  EXPECT_EQ(asked->call.request, "c");
}

TEST(OpenAiResponses, AWrongFieldIsNamed) {
  FakeApi api;
  const std::pair<const char*, const char*> cases[] = {
      {R"({})", "input"},
      {R"({"input": [{"type": "function_call_output"}]})", "input[0].output"},
      {R"({"input": "a", "max_output_tokens": 0})", "max_output_tokens"},
      {R"({"input": "a", "previous_response_id": "x"})", "previous_response_id"},
      {R"({"input": "a", "tools": [1]})", "tools[0]"},
      {R"({"input": "a", "text": {"format": {"type": "xml"}}})", "text.format.type"},
  };
  for (const auto& [body, param] : cases) {
    const RecordingWriter writer = api.post(kPath, body);
    EXPECT_EQ(writer.response.status, 400) << body;
    EXPECT_EQ(writer.json()["error"]["param"], param) << body;
  }
}

}  // namespace
}  // namespace sain::router
