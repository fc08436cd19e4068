#include "router/http/tool_call_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace sain::router {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// What comes of an answer that is cut into pieces of so many bytes.
struct Read {
  Read(std::string_view answer, size_t n_bytes) {
    ToolCallReader reader({"weather", "time"}, 2);
    for (size_t i = 0; i < answer.size(); i += n_bytes) take(reader.push(answer.substr(i, n_bytes)));
    take(reader.finish());
    for (size_t i = 0; i < reader.calls().size(); ++i) {
      const ToolCall& call = reader.calls()[i];
      EXPECT_EQ(arguments[i], call.arguments) << "the pieces are the whole";
      EXPECT_FALSE(call.id.empty());
      calls.push_back(call.name + call.arguments);
    }
  }

  std::string text;
  std::vector<std::string> arguments, calls;

 private:
  void take(const std::vector<AnswerPiece>& pieces) {
    for (const AnswerPiece& piece : pieces) {
      if (!piece.call) {
        EXPECT_THAT(calls, IsEmpty());
        text += piece.text;
        continue;
      }
      arguments.resize(std::max(arguments.size(), *piece.call + 1));
      arguments[*piece.call] += piece.text;
    }
  }
};

void expect(std::string_view answer, const std::string& text, const std::vector<std::string>& calls) {
  for (size_t n_bytes : {size_t{1}, size_t{2}, size_t{3}, size_t{7}, answer.size()}) {
    const Read read(answer, n_bytes);
    EXPECT_EQ(read.text, text) << answer << " in pieces of " << n_bytes;
    EXPECT_EQ(read.calls, calls) << answer << " in pieces of " << n_bytes;
  }
}

TEST(ToolCallReader, TextIsText) {
  for (const std::string text :
       {"Hello!", " \n x \n", "a < b <tool", "<tool_cal", "{\"name\": \"other\", \"arguments\": {}}", "[1, 2]",
        "```json\n{\"a\": 1}\n```", "{\"name\": \"wea", "Say {\"name\": \"time\", \"arguments\": {}}."})
    expect(text, text, {});
}

TEST(ToolCallReader, CallsBetweenTags) {
  expect("<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>", "",
         {"weather{\"city\": \"Oslo\"}"});
  expect(
      "Let me look.\n\n<tool_call>{\"arguments\":{\"a\":[{}]},\"name\":\"time\"}</tool_call>\n<tool_call>{\"name\": "
      "\"weather\"}</tool_call> ",
      "Let me look.", {"time{\"a\":[{}]}", "weather{}"});
  expect("<tool_call>{\"name\": \"time\", \"arguments\": {\"a\": \"}\\\"]<tool_call>\\\\\"}}", "",
         {"time{\"a\": \"}\\\"]<tool_call>\\\\\"}"});
}

TEST(ToolCallReader, CallsWithoutTagsAtTheBeginning) {
  expect("{\"name\": \"weather\", \"parameters\": {\"city\": \"Oslo\"}}", "", {"weather{\"city\": \"Oslo\"}"});
  expect("\n```json\n{ \"name\" : \"time\", \"arguments\": {} }\n```", "", {"time{}"});
  expect(" [{\"name\": \"time\", \"arguments\": {\"a\": 1}}, {\"name\": \"weather\", \"arguments\": {}}]", "",
         {"time{\"a\": 1}", "weather{}"});
  expect("{\"type\": \"function\", \"name\": \"time\", \"parameters\": {}}; {\"name\": \"time\", \"parameters\": {}}",
         "", {"time{}", "time{}"});
}

TEST(ToolCallReader, MoreCallsThanMayBeAreDropped) {
  expect("[{\"name\": \"time\"}, {\"name\": \"time\"}, {\"name\": \"weather\", \"arguments\": {}}]", "",
         {"time{}", "time{}"});
}

TEST(ToolCallReader, ArgumentsMayComeAsAText) {
  expect("{\"name\": \"time\", \"arguments\": \"{\\\"a\\\": \\\"\xC3\xA9\\\"}\"}", "", {"time{\"a\": \"\xC3\xA9\"}"});
}

TEST(ToolCallReader, WhatIsNoCallIsText) {
  for (const std::string text :
       {"<tool_call>\xC3\xA9</tool_call>", "<tool_call> {\"name\": \"other\", \"arguments\": {}}</tool_call>",
        "Hm <tool_call>{}</tool_call>\n"})
    expect(text, text, {});
  expect("<tool_call>{\"name\": \"other\"}<tool_call>{\"name\": \"time\"}", "<tool_call>{\"name\": \"other\"}",
         {"time{}"});
}

TEST(ToolCallReader, WhatComesAfterACallIsDropped) {
  expect("<tool_call>{\"name\": \"time\"}</tool_call>\n<tool_response>\n12:00 [sic]\n</tool_response> It is noon.", "",
         {"time{}"});
}

TEST(ToolCallReader, ACallThatIsCutShort) {
  expect("Well <tool_call>\n{\"na", "Well", {});
  expect("<tool_call>\n{\"name\": \"time\", \"arguments\": {\"zone\": \"U", "", {"time{\"zone\": \"U"});
}

TEST(ToolCallReader, ArgumentsComeAsTheyGrow) {
  ToolCallReader reader({"time"}, 1);
  EXPECT_THAT(reader.push("<tool_call>{\"name\": \"time\", \"arguments\": "), ::testing::SizeIs(1));
  ASSERT_THAT(reader.push("{\"a\": \"x"), ::testing::SizeIs(1));
  const std::string id = reader.calls()[0].id;
  EXPECT_EQ(reader.calls()[0].arguments, "{\"a\": \"x");
  EXPECT_EQ(reader.push("y\"}").at(0).text, "y\"}");
  EXPECT_EQ(reader.calls()[0].id, id);
}

}  // namespace
}  // namespace sain::router
