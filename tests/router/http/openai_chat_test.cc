#include "router/http/openai_chat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/router/http/fake_team.h"

namespace sain::router {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr const char* kPath = "/v1/chat/completions";

/// A body with one message, and these fields.
std::string body(const std::string& text, const json& fields = json::object()) {
  json body = {{"messages", json::array({{{"role", "user"}, {"content", text}}})}};
  body.update(fields);
  return body.dump();
}

// R27: an answer says who made it, and where.
TEST(OpenAiChat, AnswersAsAWhole) {
  FakeApi api;
  const RecordingWriter writer = api.post(kPath, body("Hi"));
  ASSERT_EQ(writer.response.status, 200) << writer.response.body;
  const json answer = writer.json();
  EXPECT_EQ(answer["object"], "chat.completion");
  EXPECT_EQ(answer["model"], "assistant");
  EXPECT_THAT(answer["id"].get<std::string>(), StartsWith("chatcmpl-"));
  ASSERT_EQ(answer["choices"].size(), 1u);
  EXPECT_EQ(answer["choices"][0]["message"]["role"], "assistant");
  EXPECT_EQ(answer["choices"][0]["message"]["content"], "Hello");
  EXPECT_EQ(answer["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(answer["usage"], (json{{"prompt_tokens", 7}, {"completion_tokens", 3}, {"total_tokens", 10}}));
  EXPECT_EQ(answer["sain"], (json{{"by", "assistant"}, {"place", "local"}}));
}

TEST(OpenAiChat, StreamsChunks) {
  FakeApi api;
  const RecordingWriter writer = api.post(kPath, body("Hi", {{"stream", true}}));
  EXPECT_EQ(writer.response.content_type, "text/event-stream");
  EXPECT_THAT(writer.response.body, ::testing::EndsWith("data: [DONE]\n\n"));
  const std::vector<json> events = writer.events();
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0]["choices"][0]["delta"], (json{{"role", "assistant"}, {"content", "Hel"}}));
  EXPECT_EQ(events[1]["choices"][0]["delta"], (json{{"content", "lo"}}));
  EXPECT_EQ(events[2]["choices"][0]["delta"], json::object());
  for (const json& event : events) {
    EXPECT_EQ(event["object"], "chat.completion.chunk");
    EXPECT_EQ(event["id"], events[0]["id"]);
    EXPECT_EQ(event["model"], "assistant");
    EXPECT_TRUE(event["choices"][0].contains("finish_reason"));
    EXPECT_FALSE(event.contains("usage"));
  }
  EXPECT_TRUE(events[1]["choices"][0]["finish_reason"].is_null());
  EXPECT_EQ(events[2]["choices"][0]["finish_reason"], "stop");
}

TEST(OpenAiChat, UsageComesLastInAStreamAndOnlyOnRequest) {
  FakeApi api;
  const auto events =
      api.post(kPath, body("Hi", {{"stream", true}, {"stream_options", {{"include_usage", true}}}})).events();
  ASSERT_EQ(events.size(), 4u);
  EXPECT_TRUE(events[0].at("usage").is_null());
  EXPECT_EQ(events[3]["choices"], json::array());
  EXPECT_EQ(events[3]["usage"]["total_tokens"], 10);
}

TEST(OpenAiChat, ProgressIsInCommentsAndNeverInTheContent) {
  FakeApi api;
  const RecordingWriter writer = api.post(kPath, body("Write code", {{"stream", true}}));
  EXPECT_THAT(writer.response.body, StartsWith(": routed to coding: because\n\n: loading coding, 50 %\n\ndata: {"));
  EXPECT_EQ(writer.events().size(), 3u);
  EXPECT_EQ(writer.events()[0]["model"], "coding");
}

TEST(OpenAiChat, WhoKnowsUsMayAskForEvents) {
  FakeApi api;
  const auto events =
      api.post(kPath, body("Write code", {{"stream", true}, {"sain", {{"events", true}, {"mode", "slow"}}}})).events();
  ASSERT_EQ(events.size(), 7u);
  EXPECT_EQ(api.team->asked_options.mode, Mode::kSlow);
  std::vector<std::string> kinds;
  for (const json& event : events)
    if (event["choices"].empty()) kinds.push_back(event["sain"]["event"]);
  EXPECT_THAT(kinds, ElementsAre("route", "status", "handoff", "done"));
}

TEST(OpenAiChat, AModelIsRoutedOrPinnedByItsName) {
  FakeApi api;
  EXPECT_EQ(api.post(kPath, body("code", {{"model", "auto"}})).json()["model"], "coding");
  EXPECT_FALSE(api.team->asked_options.member);
  EXPECT_EQ(api.post(kPath, body("code", {{"model", "assistant"}})).json()["model"], "assistant");
  EXPECT_EQ(api.post(kPath, body("Hi", {{"model", "coding"}})).json()["model"], "coding");
  EXPECT_EQ(api.team->asked_options.member, FakeTeam::kCoding);
  const RecordingWriter unknown = api.post(kPath, body("Hi", {{"model", "gpt-4o"}}));
  EXPECT_EQ(unknown.response.status, 404);
  EXPECT_EQ(unknown.json()["error"]["code"], "model_not_found");
  EXPECT_EQ(unknown.json()["error"]["param"], "model");
}

TEST(OpenAiChat, TheClientKeepsTheConversation) {
  const auto call = parse_openai_chat(R"({"messages": [
      {"role": "system", "content": "Be kind."},
      {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
      {"role": "user", "content": "c"},
      {"role": "assistant", "content": "d"},
      {"role": "developer", "content": "Be brief."},
      {"role": "user", "content": "e"}]})");
  ASSERT_TRUE(call) << call.error().message;
  EXPECT_EQ(call->call.options.answer.system_prompt, "Be kind.\n\nBe brief.");
  ASSERT_EQ(call->call.turns.size(), 1u);
  EXPECT_EQ(call->call.turns[0].request, "ab\n\nc");
  EXPECT_EQ(call->call.turns[0].answer, "d");
  EXPECT_EQ(call->call.request, "e");
}

TEST(OpenAiChat, OptionsReachTheAnswer) {
  const auto call = parse_openai_chat(body("Hi", {{"temperature", 0.5},
                                                  {"top_p", 0.25},
                                                  {"max_completion_tokens", 9},
                                                  {"seed", -1},
                                                  {"stop", {"x", "y"}},
                                                  {"presence_penalty", 1},
                                                  {"frequency_penalty", -1},
                                                  {"logit_bias", {{"5", -100}}},
                                                  {"logprobs", true},
                                                  {"top_logprobs", 3},
                                                  {"n", 2},
                                                  {"user", "somebody"},
                                                  {"max_tokens", nullptr},
                                                  {"tools", json::array()}}));
  ASSERT_TRUE(call) << call.error().message;
  const AnswerOptions& answer = call->call.options.answer;
  EXPECT_EQ(answer.temperature, 0.5f);
  EXPECT_EQ(answer.top_p, 0.25f);
  EXPECT_EQ(answer.max_tokens, 9u);
  EXPECT_EQ(answer.seed, UINT64_MAX);
  EXPECT_THAT(answer.stop_strings, ElementsAre("x", "y"));
  EXPECT_EQ(answer.presence_penalty, 1.0f);
  EXPECT_EQ(answer.frequency_penalty, -1.0f);
  EXPECT_THAT(answer.logit_bias, ElementsAre(std::pair(5, -100.0f)));
  EXPECT_EQ(answer.top_logprobs, 3u);
  EXPECT_EQ(call->n, 2u);
  EXPECT_FALSE(call->is_stream);
}

TEST(OpenAiChat, AWrongFieldIsNamed) {
  const std::pair<json, const char*> cases[] = {
      {{{"temperature", 3}}, "temperature"},
      {{{"temperature", "hot"}}, "temperature"},
      {{{"top_p", -0.1}}, "top_p"},
      {{{"max_tokens", -1}}, "max_tokens"},
      {{{"max_tokens", 0}}, "max_tokens"},
      {{{"max_tokens", 1.5}}, "max_tokens"},
      {{{"max_tokens", 1e30}}, "max_tokens"},
      {{{"n", 1000}}, "n"},
      {{{"stop", ""}}, "stop"},
      {{{"stop", json::array({1})}}, "stop"},
      {{{"seed", "x"}}, "seed"},
      {{{"logit_bias", {{"x", 1}}}}, "logit_bias"},
      {{{"logit_bias", {{"1", 1000}}}}, "logit_bias"},
      {{{"top_logprobs", 3}}, "top_logprobs"},
      {{{"logprobs", true}, {"top_logprobs", 21}}, "top_logprobs"},
      {{{"stream", "yes"}}, "stream"},
      {{{"stream_options", {{"include_usage", 1}}}}, "stream_options.include_usage"},
      {{{"model", 5}}, "model"},
      {{{"response_format", "json"}}, "response_format"},
      {{{"response_format", {{"type", "xml"}}}}, "response_format.type"},
      {{{"response_format", {{"type", "json_schema"}, {"json_schema", {{"name", "a"}}}}}}, "response_format.schema"},
      {{{"response_format", {{"type", "json_schema"}, {"schema", {{"type", "tree"}}}}}}, "response_format"},
      {{{"grammar", "root ::= ("}}, "grammar"},
      {{{"grammar", 5}}, "grammar"},
      {{{"tools", json::array({json::object()})}}, "tools[0].type"},
      {{{"sain", {{"mode", "turbo"}}}}, "sain.mode"},
      {{{"messages", "Hi"}}, "messages"},
      {{{"messages", json::array()}}, "messages"},
      {{{"messages", json::array({1})}}, "messages[0]"},
      {{{"messages", json::array({{{"role", "user"}}})}}, "messages[0].content"},
      {{{"messages", json::array({{{"role", "king"}, {"content", "a"}}})}}, "messages[0].role"},
      {{{"messages", json::array({{{"role", "assistant"}, {"content", "a"}}})}}, "messages[0].role"},
      {{{"messages", json::array({{{"role", "user"}, {"content", " "}}})}}, "messages"},
      {{{"messages", json::array({{{"role", "user"}, {"content", {{{"type", "image_url"}}}}}})}},
       "messages[0].content[0].type"},
  };
  FakeApi api;
  for (const auto& [fields, param] : cases) {
    const RecordingWriter writer = api.post(kPath, body("Hi", fields));
    EXPECT_EQ(writer.response.status, 400) << fields;
    EXPECT_EQ(writer.json()["error"]["param"], param) << writer.response.body;
    EXPECT_EQ(writer.json()["error"]["type"], "invalid_request_error");
  }
}

TEST(OpenAiChat, ReadsTheFormOfAnAnswer) {
  const auto form = [](const std::string& fields) {
    const auto call = parse_openai_chat(R"({"messages": [{"role": "user", "content": "Hi"}], )" + fields + "}");
    EXPECT_TRUE(call) << call.error().message;
    return call ? call->call.options.answer.form : nullptr;
  };
  EXPECT_EQ(form(R"("response_format": {"type": "text"})"), nullptr);
  EXPECT_EQ(form(R"("grammar": "")"), nullptr);
  EXPECT_EQ(form(R"("grammar": "root ::= \"a\"")")->text, "root ::= \"a\"");
  EXPECT_EQ(form(R"("response_format": {"type": "json_object"})")->text, "json_object");
  // In the schema's own order.
  const std::string schema = R"({"type":"object","properties":{"b":{"type":"null"},"a":{"type":"null"}}})";
  EXPECT_EQ(form(R"("response_format": {"type": "json_schema", "json_schema": {"schema": )" + schema + "}}")->text,
            schema);
}

TEST(OpenAiChat, WhatIsNoJsonIsRefused) {
  FakeApi api;
  const std::string deep(100'000, '['), huge = R"({"n": 1e999, "messages": []})";
  for (const std::string& bytes : {std::string(), std::string("{"), std::string("[]"), std::string("\"\xff\""),
                                   std::string("{\"a\": \"\xed\xa0\x80\"}"), std::string(R"({"a": "\ud800"})"), deep,
                                   "{\"a\":" + deep, huge, std::string("{} {}"), std::string(3, '\0')}) {
    const RecordingWriter writer = api.post(kPath, bytes);
    EXPECT_EQ(writer.response.status, 400) << bytes.substr(0, 40);
    EXPECT_FALSE(writer.json()["error"]["message"].get<std::string>().empty());
  }
}

TEST(OpenAiChat, SeveralAnswersHaveSeedsOfTheirOwn) {
  FakeApi api;
  const json answer = api.post(kPath, body("Hi", {{"n", 2}, {"seed", 5}})).json();
  ASSERT_EQ(answer["choices"].size(), 2u);
  EXPECT_EQ(answer["choices"][1]["index"], 1);
  EXPECT_EQ(answer["usage"]["prompt_tokens"], 7);
  EXPECT_EQ(answer["usage"]["completion_tokens"], 6);
  EXPECT_EQ(api.team->asked_options.answer.seed, 6u);
  const auto events = api.post(kPath, body("Hi", {{"n", 2}, {"stream", true}})).events();
  ASSERT_EQ(events.size(), 6u);
  EXPECT_EQ(events[3]["choices"][0]["index"], 1);
  EXPECT_EQ(events[3]["choices"][0]["delta"]["role"], "assistant");
}

TEST(OpenAiChat, LogProbabilitiesComeWithTheirText) {
  FakeApi api;
  const json fields = {{"logprobs", true}, {"top_logprobs", 1}};
  const json content = api.post(kPath, body("Hi", fields)).json()["choices"][0]["logprobs"]["content"];
  ASSERT_EQ(content.size(), 2u);
  EXPECT_EQ(content[0]["token"], "Hel");
  EXPECT_EQ(content[0]["logprob"], -0.5);
  EXPECT_EQ(content[0]["bytes"], (json{72, 101, 108}));
  EXPECT_EQ(content[0]["top_logprobs"][0]["token"], "other");
  json streamed = fields;
  streamed["stream"] = true;
  const auto events = api.post(kPath, body("Hi", streamed)).events();
  EXPECT_EQ(events[1]["choices"][0]["logprobs"]["content"][0]["token"], "lo");
  EXPECT_TRUE(events[2]["choices"][0]["logprobs"].is_null());
  EXPECT_TRUE(api.post(kPath, body("Hi")).json()["choices"][0]["logprobs"].is_null());
}

TEST(OpenAiChat, AnAnswerThatIsCutSaysSo) {
  FakeApi api;
  for (const auto reason : {engine::FinishReason::kLength, engine::FinishReason::kContext}) {
    api.team->finish_reason = reason;
    EXPECT_EQ(api.post(kPath, body("Hi")).json()["choices"][0]["finish_reason"], "length");
  }
}

TEST(OpenAiChat, ErrorsHaveAStatusOrEndTheStream) {
  FakeApi api;
  api.team->error = make_error(ErrorCode::kInvalidArgument, "the request takes 5000 tokens");
  for (const bool is_stream : {false, true}) {
    const RecordingWriter early = api.post(kPath, body("Hi", {{"stream", is_stream}}));
    EXPECT_EQ(early.response.status, 400);
    EXPECT_EQ(early.json()["error"]["message"], "the request takes 5000 tokens");
  }
  const auto events = api.post(kPath, body("code", {{"stream", true}})).events();
  ASSERT_EQ(events.size(), 1u) << "loading was told, so the stream has begun";
  EXPECT_EQ(events[0]["error"]["message"], "the request takes 5000 tokens");
  api.team->error = make_error(ErrorCode::kNotFound, "no such file");
  EXPECT_EQ(api.post(kPath, body("Hi")).response.status, 500) << "that is not the client's fault";
  api.team->error = make_error(ErrorCode::kResourceExhausted, "there is not enough memory");
  EXPECT_EQ(api.post(kPath, body("Hi")).response.status, 503);
}

TEST(OpenAiChat, WhatASpecialistSaidBeforeItFailedIsVoid) {
  FakeApi api;
  api.team->fails_midway = true;
  const json whole = api.post(kPath, body("code")).json();
  EXPECT_EQ(whole["choices"][0]["message"]["content"], "Hm.");
  EXPECT_EQ(whole["model"], "assistant");
  const RecordingWriter stream = api.post(kPath, body("code", {{"stream", true}}));
  EXPECT_THAT(stream.events().back()["error"]["message"].get<std::string>(), HasSubstr("middle of its answer"));
  EXPECT_THAT(stream.response.body, Not(HasSubstr("Hm.")));
}

}  // namespace
}  // namespace sain::router
