#include "router/tool_prompt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sain::router {
namespace {

using nlohmann::ordered_json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::vector<Message> kMessages = {
    {"system", "Be kind."},
    {"user", "What is the weather?"},
    {"assistant", "I look.", {{"c1", "weather", "{\"city\": \"Oslo\"}"}, {"c2", "time", "no JSON"}}},
    {"tool", "rain", {}, "c1", "weather"},
    {"tool", "noon", {}, "c2", "time"}};

TEST(ToolPrompt, TemplatesGetCallsAsObjects) {
  const ordered_json list = template_messages(kMessages);
  ASSERT_EQ(list.size(), 5u);
  EXPECT_EQ(list[1], (ordered_json{{"role", "user"}, {"content", "What is the weather?"}}));
  EXPECT_EQ(list[2]["tool_calls"][0],
            ordered_json::parse(
                R"({"id": "c1", "type": "function", "function": {"name": "weather", "arguments": {"city": "Oslo"}}})"));
  EXPECT_EQ(list[2]["tool_calls"][1]["function"]["arguments"], ordered_json::object());
  EXPECT_EQ(list[3],
            (ordered_json{{"role", "tool"}, {"content", "rain"}, {"tool_call_id", "c1"}, {"name", "weather"}}));
}

TEST(ToolPrompt, OtherTemplatesGetWords) {
  ToolSet tools;
  tools.functions = {{.name = "weather", .description = "Tells the weather"}};
  const std::vector<Message> list = plain_messages(kMessages, &tools);
  ASSERT_EQ(list.size(), 4u);
  EXPECT_THAT(list[0].content,
              AllOf(StartsWith("Be kind.\n\n"), HasSubstr(R"({"name":"weather","description":"Tells the weather")")));
  EXPECT_EQ(list[2].content,
            "I look.\n<tool_call>\n{\"name\":\"weather\",\"arguments\":{\"city\":\"Oslo\"}}\n</tool_call>\n"
            "<tool_call>\n{\"name\":\"time\",\"arguments\":{}}\n</tool_call>");
  EXPECT_EQ(list[3].role, "user");
  EXPECT_EQ(list[3].content, "<tool_response>\nrain\n</tool_response>\n<tool_response>\nnoon\n</tool_response>");
}

}  // namespace
}  // namespace sain::router
