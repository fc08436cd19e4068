// What the tests of chat templates share.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "formats/chat_template.h"

namespace sain::formats {

using Json = nlohmann::ordered_json;

inline std::string read_template_data(const std::string& name) {
  const std::ifstream file(SAIN_SOURCE_DIR "/tests/formats/data/chat_templates/" + name);
  EXPECT_TRUE(file) << name;
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

inline Result<RenderedPrompt> render(std::string_view source, const ChatTemplateInput& input = {},
                                     const TemplateLimits& limits = {}) {
  const auto compiled = ChatTemplate::compile(source, "test");
  if (!compiled) return compiled.error();
  return compiled->render(input, limits);
}

/// The input that a case of the vectors describes.
inline ChatTemplateInput input_of(const Json& conversation, const Json& now) {
  ChatTemplateInput input;
  input.messages = conversation["messages"];
  input.tools = conversation.value("tools", Json());
  input.extra = conversation.value("extra", Json::object());
  input.add_generation_prompt = conversation.value("add_generation_prompt", true);
  input.bos_token = "<s>";
  input.eos_token = "</s>";
  input.now = now.get<std::time_t>();
  return input;
}

/// Compares a rendering with what the oracle made of it: the same text, or a failure for a failure.
inline void expect_as_oracle(const Result<RenderedPrompt>& prompt, const Json& oracle, const std::string& name) {
  if (oracle.contains("output")) {
    ASSERT_TRUE(prompt) << name << "\n" << prompt.error().message;
    EXPECT_EQ(prompt->text, oracle["output"].get<std::string>()) << name;
    return;
  }
  ASSERT_FALSE(prompt) << name << "\ngave: " << prompt->text << "\nthe oracle: " << oracle["message"];
  EXPECT_NE(prompt.error().code, ErrorCode::kInternal) << name;
  if (oracle["error"] == "TemplateError") {  // raise_exception(): its text must come through
    EXPECT_NE(prompt.error().message.find(oracle["message"].get<std::string>()), std::string::npos)
        << name << "\n"
        << prompt.error().message;
  }
}

}  // namespace sain::formats
