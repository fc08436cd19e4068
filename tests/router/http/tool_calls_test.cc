// Functions of the client, in the manner of each API.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "router/tool_set.h"
#include "tests/router/http/fake_team.h"

namespace sain::router {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const json kSchema = {{"type", "object"}, {"properties", {{"city", {{"type", "string"}}}}}, {"required", {"city"}}};
const json kOpenAiTools =
    json::array({{{"type", "function"},
                  {"function", {{"name", "weather"}, {"description", "Tells the weather"}, {"parameters", kSchema}}}},
                 {{"type", "function"}, {"function", {{"name", "time"}}}}});
const json kResponsesTools =
    json::array({{{"type", "function"}, {"name", "weather"}, {"parameters", kSchema}, {"strict", nullptr}}});
const json kAnthropicTools = json::array({{{"name", "weather"}, {"input_schema", kSchema}}});

const json kUser = {{"role", "user"}, {"content", "Is it raining?"}};

struct ToolCalls : ::testing::Test {
  void let_answer_be(std::vector<std::string> pieces) { api.team->pieces = std::move(pieces); }
  void let_answer_be_calls() {
    let_answer_be({"I look.\n", "<tool", "_call>\n{\"name\": \"weather\", ",
                   "\"arguments\": {\"city\": ", "\"Oslo\"}}\n", "</tool_call>",
                   "\n<tool_call>{\"name\": \"weather\", \"arguments\": {}}</tool_call>"});
  }

  json ask(const char* path, json fields, int status = 200) {
    const RecordingWriter writer = api.post(path, fields.dump());
    EXPECT_EQ(writer.response.status, status) << writer.response.body;
    return writer.json();
  }
  /// Of one that is a 400.
  std::string message(const char* path, const json& fields) {
    return ask(path, fields, 400)["error"]["message"].get<std::string>();
  }
  std::vector<json> stream(const char* path, json fields) {
    fields["stream"] = true;
    return api.post(path, fields.dump()).events();
  }

  FakeApi api;
};

constexpr const char* kChat = "/v1/chat/completions";
json chat(const json& fields = json::object()) {
  json body = {{"messages", json::array({kUser})}, {"tools", kOpenAiTools}};
  body.update(fields);
  return body;
}

TEST_F(ToolCalls, OfOpenAiChat) {
  let_answer_be_calls();
  const json choice = ask(kChat, chat())["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "tool_calls");
  EXPECT_EQ(choice["message"]["content"], "I look.");
  const json calls = choice["message"]["tool_calls"];
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0]["type"], "function");
  EXPECT_EQ(calls[0]["function"], (json{{"name", "weather"}, {"arguments", "{\"city\": \"Oslo\"}"}}));
  EXPECT_NE(calls[0]["id"], calls[1]["id"]);
  EXPECT_EQ(api.team->asked_options.answer.tools->functions[0].description, "Tells the weather");
  let_answer_be({"<tool_call>{\"name\": \"time\"}"});
  EXPECT_TRUE(ask(kChat, chat())["choices"][0]["message"]["content"].is_null());
  api.team->finish_reason = engine::FinishReason::kLength;
  EXPECT_EQ(ask(kChat, chat())["choices"][0]["finish_reason"], "length");
}

// A call is never in the content, and its id stays.
TEST_F(ToolCalls, StreamInOpenAiChat) {
  let_answer_be_calls();
  const std::vector<json> events = stream(kChat, chat());
  std::string content;
  std::vector<std::string> ids, arguments(2);
  for (const json& event : events) {
    const json& choice = event["choices"][0];
    EXPECT_TRUE(choice.contains("finish_reason"));
    if (choice["delta"].contains("content")) content += choice["delta"]["content"];
    for (const json& call : choice["delta"].value("tool_calls", json::array())) {
      if (call.contains("id")) ids.push_back(call["id"]);
      EXPECT_EQ(call.contains("id"), call["function"].contains("name"));
      arguments[call["index"]] += call["function"]["arguments"];
    }
  }
  EXPECT_EQ(content, "I look.");
  EXPECT_EQ(ids.size(), 2u);
  EXPECT_THAT(arguments, ElementsAre("{\"city\": \"Oslo\"}", "{}"));
  EXPECT_EQ(events.back()["choices"][0]["finish_reason"], "tool_calls");
}

TEST_F(ToolCalls, HistoryOfOpenAiChat) {
  const json call = {
      {"id", "c1"}, {"type", "function"}, {"function", {{"name", "weather"}, {"arguments", "{\"city\":\"Oslo\"}"}}}};
  const json assistant = {{"role", "assistant"}, {"content", nullptr}, {"tool_calls", json::array({call})}};
  const json result = {{"role", "tool"}, {"tool_call_id", "c1"}, {"content", "rain"}};
  const auto with = [](json messages) { return chat({{"messages", std::move(messages)}}); };
  ask(kChat, with({kUser, assistant, result}));
  EXPECT_EQ(api.team->asked, "Is it raining?");
  ask(kChat, with({kUser, assistant, result, {{"role", "assistant"}, {"content", "Yes."}}, kUser}));
  ASSERT_EQ(api.team->turns.size(), 1u);
  EXPECT_EQ(api.team->turns[0].answer, "Yes.");
  ASSERT_EQ(api.team->turns[0].steps.size(), 2u);
  EXPECT_EQ(api.team->turns[0].steps[0].calls[0].name, "weather");
  EXPECT_EQ(api.team->turns[0].steps[1].content, "rain");
  EXPECT_EQ(api.team->turns[0].steps[1].call_name, "weather");

  const json stranger = {{"role", "tool"}, {"tool_call_id", "c9"}, {"content", "rain"}};
  EXPECT_THAT(message(kChat, with({kUser, result})), HasSubstr("messages[1].tool_call_id: expected the id of a call"));
  EXPECT_THAT(message(kChat, with({kUser, assistant, stranger})), HasSubstr("found \"c9\""));
  EXPECT_THAT(message(kChat, with({kUser, assistant, result, result})), HasSubstr("messages[3].tool_call_id"));
  EXPECT_THAT(message(kChat, with({kUser, assistant, kUser})), HasSubstr("the result of the call \"c1\" of weather"));
  EXPECT_THAT(message(kChat, with({kUser, assistant})), HasSubstr("the result of the call \"c1\""));
  EXPECT_THAT(message(kChat, with({assistant, result})), HasSubstr("messages[0].role: expected user before"));
  json broken = assistant;
  broken["tool_calls"][0]["function"]["arguments"] = "{city";
  EXPECT_THAT(message(kChat, with({kUser, broken, result})), HasSubstr("arguments that are a JSON object"));
  broken = assistant;
  broken["tool_calls"].push_back(call);
  EXPECT_THAT(message(kChat, with({kUser, broken, result})), HasSubstr("found \"c1\" twice"));
  broken["tool_calls"] = json::array({1});
  EXPECT_THAT(message(kChat, with({kUser, broken})), HasSubstr("messages[1].tool_calls[0]"));
}

TEST_F(ToolCalls, ChoiceOfOpenAiChat) {
  const auto tools = [&](const json& fields) {
    ask(kChat, chat(fields));
    return api.team->asked_options.answer.tools;
  };
  EXPECT_EQ(tools({{"tool_choice", "auto"}})->use, ToolUse::kMayCall);
  EXPECT_TRUE(tools({{"tool_choice", "none"}})->callable.empty());
  EXPECT_EQ(tools({{"tools", json::array()}}), nullptr);
  EXPECT_EQ(tools({{"tool_choice", "required"}})->use, ToolUse::kMustCall);
  EXPECT_EQ(tools({{"parallel_tool_calls", false}})->most_calls, 1u);
  const auto named = tools({{"tool_choice", {{"type", "function"}, {"function", {{"name", "time"}}}}}});
  EXPECT_EQ(named->use, ToolUse::kMustCall);
  EXPECT_THAT(named->callable, ElementsAre("time"));
  EXPECT_EQ(named->functions.size(), 2u);

  const json twice = json::array({kOpenAiTools[0], kOpenAiTools[0]});
  const json named_badly = json::array({{{"type", "function"}, {"function", {{"name", "a b"}}}}});
  const json strict = json::array(
      {{{"type", "function"},
        {"function", {{"name", "f"}, {"strict", true}, {"parameters", {{"type", "object"}, {"minProperties", 1}}}}}}});
  const std::pair<json, const char*> cases[] = {
      {{{"tools", 5}}, "tools: expected"},
      {{{"tools", json::array({1})}}, "tools[0]"},
      {{{"tools", json::array({{{"type", "web_search"}}})}}, "tools[0].type: expected function"},
      {{{"tools", json::array({{{"type", "function"}}})}}, "tools[0].function: expected"},
      {{{"tools", named_badly}}, "tools[0].function.name: expected"},
      {{{"tools", twice}}, "tools[1].function.name: expected a name that no other"},
      {{{"tools", strict}}, "tools: expected schemas that can be kept: the parameters of f"},
      {{{"tool_choice", "any"}}, "tool_choice: expected"},
      {{{"tool_choice", {{"type", "function"}, {"function", {{"name", "x"}}}}}},
       "tool_choice: expected the name of one"},
      {{{"tool_choice", "required"}, {"tools", json::array()}}, "tool_choice: expected tools beside it"},
      {{{"parallel_tool_calls", 1}}, "parallel_tool_calls: expected"},
      {{{"response_format", {{"type", "json_object"}}}}, "tools: expected no response_format"},
  };
  for (const auto& [fields, expected] : cases) EXPECT_THAT(message(kChat, chat(fields)), HasSubstr(expected));
}

constexpr const char* kResponses = "/v1/responses";

TEST_F(ToolCalls, OfOpenAiResponses) {
  let_answer_be_calls();
  const json body = {{"input", "Is it raining?"}, {"tools", kResponsesTools}};
  const json output = ask(kResponses, body)["output"];
  ASSERT_EQ(output.size(), 3u);
  EXPECT_EQ(output[0]["content"][0]["text"], "I look.");
  EXPECT_EQ(output[1]["type"], "function_call");
  EXPECT_EQ(output[1]["name"], "weather");
  EXPECT_EQ(output[1]["arguments"], "{\"city\": \"Oslo\"}");

  std::vector<std::string> kinds;
  std::string arguments;
  const std::vector<json> events = stream(kResponses, body);
  for (const json& event : events) {
    kinds.push_back(event["type"].get<std::string>().substr(9));
    if (kinds.back() == "function_call_arguments.delta" && event["output_index"] == 1) arguments += event["delta"];
    if (kinds.back() == "output_text.delta") {
      EXPECT_EQ(event["delta"], "I look.");
    }
  }
  EXPECT_EQ(arguments, "{\"city\": \"Oslo\"}");
  EXPECT_THAT(kinds,
              ElementsAre("created", "in_progress", "output_item.added", "content_part.added", "output_text.delta",
                          "output_item.added", "function_call_arguments.delta", "function_call_arguments.delta",
                          "output_item.added", "function_call_arguments.delta", "output_text.done", "content_part.done",
                          "output_item.done", "function_call_arguments.done", "output_item.done",
                          "function_call_arguments.done", "output_item.done", "completed"));
  EXPECT_EQ(events[5]["item"]["id"], events[6]["item_id"]);
}

TEST_F(ToolCalls, HistoryOfOpenAiResponses) {
  const json call = {{"type", "function_call"}, {"call_id", "c1"}, {"name", "weather"}, {"arguments", "{}"}};
  const json result = {{"type", "function_call_output"}, {"call_id", "c1"}, {"output", "rain"}};
  ask(kResponses, {{"input", {kUser, call, result}},
                   {"tools", kResponsesTools},
                   {"tool_choice", {{"type", "function"}, {"name", "weather"}}}});
  EXPECT_EQ(api.team->asked_options.answer.tools->use, ToolUse::kMustCall);
  EXPECT_THAT(message(kResponses, {{"input", {kUser, result}}}), HasSubstr("input[1].call_id: expected the id"));
  EXPECT_THAT(message(kResponses, {{"input", {kUser, call}}}), HasSubstr("the result of the call \"c1\""));
}

constexpr const char* kMessages = "/v1/messages";
json messages(const json& fields = json::object()) {
  json body = {{"max_tokens", 9}, {"messages", json::array({kUser})}, {"tools", kAnthropicTools}};
  body.update(fields);
  return body;
}

TEST_F(ToolCalls, OfAnthropic) {
  let_answer_be_calls();
  const json answer = ask(kMessages, messages());
  EXPECT_EQ(answer["stop_reason"], "tool_use");
  ASSERT_EQ(answer["content"].size(), 3u);
  EXPECT_EQ(answer["content"][0], (json{{"type", "text"}, {"text", "I look."}}));
  EXPECT_EQ(answer["content"][1]["type"], "tool_use");
  EXPECT_EQ(answer["content"][1]["input"], (json{{"city", "Oslo"}}));

  const std::vector<json> events = stream(kMessages, messages());
  std::vector<std::string> kinds;
  std::string arguments;
  for (const json& event : events) {
    kinds.push_back(event["type"]);
    if (kinds.back() == "content_block_delta" && event["index"] == 1) arguments += event["delta"]["partial_json"];
  }
  EXPECT_EQ(arguments, "{\"city\": \"Oslo\"}");
  EXPECT_THAT(kinds, ElementsAre("message_start", "content_block_start", "content_block_delta", "content_block_stop",
                                 "content_block_start", "content_block_delta", "content_block_delta",
                                 "content_block_stop", "content_block_start", "content_block_delta",
                                 "content_block_stop", "message_delta", "message_stop"));
  EXPECT_EQ(events[11]["delta"]["stop_reason"], "tool_use");
}

TEST_F(ToolCalls, HistoryAndChoiceOfAnthropic) {
  const json use = {{"type", "tool_use"}, {"id", "c1"}, {"name", "weather"}, {"input", {{"city", "Oslo"}}}};
  const json assistant = {{"role", "assistant"}, {"content", {{{"type", "text"}, {"text", "I look."}}, use}}};
  const json result = {{"type", "tool_result"}, {"tool_use_id", "c1"}, {"is_error", true}, {"content", "no"}};
  const json user = {{"role", "user"}, {"content", {result, {{"type", "text"}, {"text", "And now?"}}}}};
  ask(kMessages, messages({{"messages", {kUser, assistant, user}}}));
  EXPECT_EQ(api.team->asked, "And now?");
  ASSERT_EQ(api.team->turns.size(), 1u);
  EXPECT_EQ(api.team->turns[0].steps[0].content, "I look.");
  EXPECT_EQ(api.team->turns[0].steps[0].calls[0].arguments, R"({"city":"Oslo"})");
  EXPECT_EQ(api.team->turns[0].steps[1].content, "Error: no");
  EXPECT_EQ(api.team->turns[0].answer, "");
  EXPECT_THAT(message(kMessages, messages({{"messages", {kUser, user}}})),
              HasSubstr("messages[1].content[0].tool_use_id: expected the id of a call"));
  EXPECT_THAT(message(kMessages, messages({{"messages", {kUser, {{"role", "user"}, {"content", {use}}}}}})),
              HasSubstr("messages[1].content[0]"));

  ask(kMessages, messages({{"tool_choice", {{"type", "any"}, {"disable_parallel_tool_use", true}}}}));
  EXPECT_EQ(api.team->asked_options.answer.tools->use, ToolUse::kMustCall);
  EXPECT_EQ(api.team->asked_options.answer.tools->most_calls, 1u);
  ask(kMessages, messages({{"tool_choice", {{"type", "tool"}, {"name", "weather"}}}}));
  EXPECT_THAT(message(kMessages, messages({{"tool_choice", "any"}})), HasSubstr("tool_choice: expected"));
  EXPECT_THAT(message(kMessages, messages({{"tools", json::array({{{"name", "f"}}})}})),
              HasSubstr("tools[0].input_schema: expected"));
}

constexpr const char* kOllama = "/api/chat";

TEST_F(ToolCalls, OfOllama) {
  let_answer_be_calls();
  const json body = {{"model", "auto"}, {"messages", json::array({kUser})}, {"tools", kOpenAiTools}, {"stream", false}};
  const json answer = ask(kOllama, body);
  EXPECT_EQ(answer["message"]["content"], "I look.");
  EXPECT_EQ(answer["message"]["tool_calls"][0]["function"],
            (json{{"name", "weather"}, {"arguments", {{"city", "Oslo"}}}}));
  EXPECT_EQ(answer["done_reason"], "stop");
  json streamed = body;
  streamed["stream"] = true;
  const std::string lines = api.post(kOllama, streamed.dump()).response.body;
  EXPECT_THAT(lines, HasSubstr(R"("tool_calls":[{"function":{"name":"weather","arguments":{"city":"Oslo"}}})"));
  EXPECT_THAT(lines, Not(HasSubstr("tool_call>")));
}

TEST_F(ToolCalls, HistoryOfOllama) {
  const json assistant = {{"role", "assistant"},
                          {"tool_calls",
                           {{{"function", {{"name", "weather"}, {"arguments", {{"city", "Oslo"}}}}}},
                            {{"function", {{"name", "time"}, {"arguments", json::object()}}}}}}};
  const json time = {{"role", "tool"}, {"tool_name", "time"}, {"content", "noon"}};
  const json other = {{"role", "tool"}, {"content", "rain"}};
  ask(kOllama, {{"model", "auto"}, {"messages", {kUser, assistant, time, other}}});
  const RecordingWriter writer = api.post(kOllama, json{{"model", "auto"}, {"messages", {kUser, other}}}.dump());
  EXPECT_EQ(writer.response.status, 400);
  EXPECT_THAT(writer.json()["error"].get<std::string>(), HasSubstr("messages[1]: expected the id of a call"));
}

}  // namespace
}  // namespace sain::router
