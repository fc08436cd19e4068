#include "router/tool_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/formats/accepts.h"

namespace sain::router {
namespace {

using nlohmann::ordered_json;
using ::testing::HasSubstr;

ToolSet weather_and_time() {
  ToolSet tools;
  tools.functions = {
      {.name = "weather",
       .parameters = ordered_json::parse(
           R"({"properties": {"city": {"$ref": "#/$defs/city"}}, "required": ["city"], "$defs": {"city": {"enum": ["Oslo", "Rome"]}}})")},
      {.name = "time"}};
  tools.callable = {"weather", "time"};
  return tools;
}

bool fits(const ToolSet& tools, ToolStyle style, const std::string& text) {
  const auto form = call_form(tools, style);
  EXPECT_TRUE(form) << form.error().message;
  return form && formats::accepts((*form)->grammar, text);
}

constexpr const char* kOslo = "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>";
constexpr const char* kTime = "<tool_call>\n{\"name\": \"time\", \"arguments\": {\"a\": 1}}\n</tool_call>";

TEST(ToolSet, TextAndThenCallsOfTheFunctions) {
  const ToolSet tools = weather_and_time();
  for (const std::string text : {"", "Hello!", "a < b <tool_cal", "<<tool_cal<", "</tool_call>", "<tool_callx>"})
    EXPECT_TRUE(fits(tools, ToolStyle::kTagged, text)) << text;
  for (const std::string before : {"", "Let me see.\n", "<", "<tool_<"}) {
    EXPECT_TRUE(fits(tools, ToolStyle::kTagged, before + kOslo)) << before;
    EXPECT_TRUE(fits(tools, ToolStyle::kTagged, before + kOslo + "\n" + kTime)) << before;
    EXPECT_FALSE(fits(tools, ToolStyle::kTagged, before + "<tool_call>")) << before;
    EXPECT_FALSE(fits(tools, ToolStyle::kTagged, before + "<tool_call>\n{\"name\": \"other\"")) << before;
    EXPECT_FALSE(fits(tools, ToolStyle::kTagged, before + kOslo + " and more")) << before;
  }
  EXPECT_FALSE(fits(tools, ToolStyle::kTagged,
                    "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Bonn\"}}\n</tool_call>"));
}

TEST(ToolSet, CallsWithoutTagsAreKeptToTheirSchemasToo) {
  const ToolSet tools = weather_and_time();
  const std::string call = "{\"name\": \"weather\", \"arguments\": {\"city\": \"Oslo\"}}";
  EXPECT_TRUE(fits(tools, ToolStyle::kTagged, call));
  EXPECT_TRUE(fits(tools, ToolStyle::kTagged, "\n" + call + "\n" + call));
  for (const std::string text : {"{\"names\": []}", "{ \"a\": 1}", "{}", "[{\"name\": 1}]", "A set {\"name\"}"})
    EXPECT_TRUE(fits(tools, ToolStyle::kTagged, text)) << text;
  for (const std::string text : {"{\"name\": \"other\"}", "\n{ \"name\": 5}", "{{\"name\": \"time\"}}",
                                 "{\"name\": \"weather\", \"arguments\": {\"city\": [\"Oslo\"]}}"})
    EXPECT_FALSE(fits(tools, ToolStyle::kTagged, text)) << text;
}

TEST(ToolSet, WhereNoneMayBeCalledAnAnswerLooksLikeNone) {
  ToolSet tools = weather_and_time();
  tools.callable.clear();
  for (const std::string text : {"", "It rains.", "<tool_cal", "{\"a\": 1}"})
    EXPECT_TRUE(fits(tools, ToolStyle::kTagged, text)) << text;
  for (const std::string text : {kOslo, "{\"name\": \"time\", \"arguments\": {}}"})
    EXPECT_FALSE(fits(tools, ToolStyle::kTagged, text)) << text;
}

TEST(ToolSet, ACallThatMustBe) {
  ToolSet tools = weather_and_time();
  tools.use = ToolUse::kMustCall;
  EXPECT_TRUE(fits(tools, ToolStyle::kGeneric, kOslo));
  EXPECT_TRUE(fits(tools, ToolStyle::kGeneric, std::string(kOslo) + "\n" + kTime));
  EXPECT_FALSE(fits(tools, ToolStyle::kGeneric, ""));
  EXPECT_FALSE(fits(tools, ToolStyle::kGeneric, "Hello!"));
  EXPECT_TRUE(fits(tools, ToolStyle::kObject, "{\"name\": \"weather\", \"parameters\": {\"city\": \"Rome\"}}"));
  EXPECT_FALSE(fits(tools, ToolStyle::kObject, "{\"name\": \"weather\", \"parameters\": {\"city\": \"Bonn\"}}"));
  EXPECT_TRUE(fits(tools, ToolStyle::kList,
                   "[{\"name\": \"time\", \"arguments\": {}}, {\"name\": \"time\", \"arguments\": {}}]"));
  tools.most_calls = 1;
  tools.callable = {"time"};
  EXPECT_TRUE(fits(tools, ToolStyle::kGeneric, kTime));
  EXPECT_FALSE(fits(tools, ToolStyle::kGeneric, kOslo));
  EXPECT_FALSE(fits(tools, ToolStyle::kGeneric, std::string(kTime) + "\n" + kTime));
}

TEST(ToolSet, NothingTellsACallWithoutTagsFromText) {
  const auto form = call_form(weather_and_time(), ToolStyle::kObject);
  ASSERT_TRUE(form);
  EXPECT_EQ(*form, nullptr);
}

TEST(ToolSet, WhatCannotBeKeptOfASchemaIsAnErrorWhereItMustBe) {
  ToolSet tools = weather_and_time();
  tools.functions[0].parameters = {{"type", "object"}, {"minProperties", 2}};
  EXPECT_TRUE(fits(tools, ToolStyle::kTagged,
                   "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"any\": true}}\n</tool_call>"));
  tools.functions[0].is_strict = true;
  const auto form = call_form(tools, ToolStyle::kTagged);
  ASSERT_FALSE(form);
  EXPECT_THAT(form.error().message, HasSubstr("the parameters of weather"));
}

TEST(ToolSet, ATemplateSaysHowCallsAreWritten) {
  const auto style = [](std::string_view source) {
    const auto chat = formats::ChatTemplate::compile(source, "test");
    EXPECT_TRUE(chat) << chat.error().message;
    return tool_style(&*chat);
  };
  EXPECT_EQ(tool_style(nullptr), ToolStyle::kGeneric);
  EXPECT_EQ(style("{{ messages }}"), ToolStyle::kGeneric);
  EXPECT_EQ(style("{{ tools }} <tool_call>"), ToolStyle::kTagged);
  EXPECT_EQ(style("{{ tools }} <tool_call><function="), ToolStyle::kGeneric);
  EXPECT_EQ(style("{{ tools }} [TOOL_CALLS]"), ToolStyle::kList);
  EXPECT_EQ(style("{{ tools }} {{ '\", \"parameters\": ' }}"), ToolStyle::kObject);
  EXPECT_EQ(style("{{ tools }} <|tool_call|>"), ToolStyle::kGeneric);
}

}  // namespace
}  // namespace sain::router
