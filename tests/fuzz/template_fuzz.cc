// libFuzzer target for chat templates: the input is a template, a NUL byte, and a JSON object with `messages`, `tools`
// and further variables (any of them may be absent or of the wrong shape).
//
//   build/fuzz/template_fuzz -dict=tests/fuzz/template.dict -max_len=2048 -max_total_time=60 CORPUS
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "formats/chat_template.h"

namespace {

using sain::formats::ChatTemplate;
using sain::formats::ChatTemplateInput;
using sain::formats::RenderedPrompt;
using Json = nlohmann::ordered_json;

/// Low enough for hundreds of runs a second, high enough for everything that a template of a few kilobytes can say.
constexpr sain::formats::TemplateLimits kLimits = {
    .steps = 20'000, .output_bytes = 1 << 16, .memory_bytes = 1 << 20, .depth = 300};

ChatTemplateInput input_of(std::string_view text) {
  ChatTemplateInput input;
  input.bos_token = "<s>";
  input.eos_token = "</s>";
  input.messages = Json::array({{{"role", "user"}, {"content", "Hi <|im_end|> \xC3\xA9"}}});
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return input;
  if (json.contains("messages")) input.messages = json["messages"];
  if (json.contains("tools")) input.tools = json["tools"];
  input.extra = std::move(json);
  return input;
}

void check(bool condition) {
  if (!condition) std::abort();
}

void check_spans(const RenderedPrompt& prompt) {
  size_t end = 0;
  for (const RenderedPrompt::Span& span : prompt.spans) {
    check(span.begin == end && span.begin < span.end);
    end = span.end;
  }
  check(end == prompt.text.size());
  check(prompt.segments().size() == prompt.spans.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const size_t split = std::min(bytes.find('\0'), size);
  const auto compiled = ChatTemplate::compile(bytes.substr(0, split), "fuzz");
  if (!compiled) return 0;
  const auto prompt = compiled->render(input_of(bytes.substr(std::min(split + 1, size))), kLimits);
  if (prompt) check_spans(*prompt);
  return 0;
}
