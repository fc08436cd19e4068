#include "formats/chat_template.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace sain::formats {
namespace {

using Json = nlohmann::ordered_json;

std::string read_file(const std::string& name) {
  const std::ifstream file(std::string(SAIN_SOURCE_DIR "/tests/formats/data/chat_templates/") + name);
  EXPECT_TRUE(file) << name;
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

ChatTemplate compile(std::string_view source) {
  auto compiled = ChatTemplate::compile(source, "test");
  if (!compiled) ADD_FAILURE() << compiled.error().message;
  return *std::move(compiled);
}

TEST(ChatTemplate, WritesTheGoldenPromptsOfRealModels) {
  const Json cases = Json::parse(read_file("golden_prompts.json"));
  ASSERT_GE(cases.size(), 10U);
  for (const Json& golden : cases) {
    const auto model = golden["model"].get<std::string>();
    const ChatTemplate chat_template = compile(read_file(model + ".jinja"));
    ChatTemplateInput input;
    input.messages = golden["messages"];
    const auto prompt = chat_template.render(input);
    ASSERT_TRUE(prompt) << prompt.error().message;
    EXPECT_EQ(prompt->text, golden["prompt"].get<std::string>()) << model << " " << golden["name"];
  }
}

}  // namespace
}  // namespace sain::formats
