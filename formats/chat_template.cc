#include "formats/chat_template.h"

#include <algorithm>
#include <array>

#include "formats/jinja/from_json.h"
#include "formats/jinja/interpreter.h"
#include "formats/jinja/parser.h"

namespace sain::formats {
namespace {

using jinja::Trust;

/// The roles that chat formats know. A template may build a special token around one (`'<|' + role + '|>'`), so these
/// words, and no others, are as good as the template's own.
constexpr std::array<std::string_view, 14> kKnownRoles = {"system",    "user",  "assistant", "tool",     "developer",
                                                          "function",  "model", "ipython",   "human",    "observation",
                                                          "tool_call", "tools", "context",   "documents"};

bool is_known_role(const nlohmann::ordered_json& role) {
  if (!role.is_string()) return false;
  const auto& name = role.get_ref<const std::string&>();
  return std::find(kKnownRoles.begin(), kKnownRoles.end(), name) != kKnownRoles.end();
}

Result<jinja::Value> message_value(jinja::Runtime& runtime, const nlohmann::ordered_json& message) {
  if (!message.is_object()) return jinja::from_json(runtime, message, Trust::kInput);
  std::vector<std::pair<jinja::Value, jinja::Value>> entries;
  for (const auto& [key, value] : message.items()) {
    const Trust trust = key == "role" && is_known_role(value) ? Trust::kTemplate : Trust::kInput;
    SAIN_ASSIGN_OR_RETURN(jinja::Value name, runtime.make_text(key, Trust::kInput));
    SAIN_ASSIGN_OR_RETURN(jinja::Value converted, jinja::from_json(runtime, value, trust));
    entries.emplace_back(std::move(name), std::move(converted));
  }
  return runtime.make_dict(std::move(entries));
}

Result<jinja::Value> messages_value(jinja::Runtime& runtime, const nlohmann::ordered_json& messages) {
  if (!messages.is_array()) {
    return make_error(ErrorCode::kInvalidArgument, "messages: expected an array, found {}", messages.type_name());
  }
  jinja::Values values;
  for (const auto& message : messages) {
    SAIN_ASSIGN_OR_RETURN(jinja::Value value, message_value(runtime, message));
    values.push_back(std::move(value));
  }
  return runtime.make_list(std::move(values));
}

Status set_variables(jinja::Interpreter& interpreter, jinja::Runtime& runtime, const ChatTemplateInput& input) {
  const auto set = [&](std::string_view name, Result<jinja::Value> value) -> Status {
    if (!value) return value.error();
    interpreter.set_variable(name, *std::move(value));
    return {};
  };
  SAIN_RETURN_IF_ERROR(set("messages", messages_value(runtime, input.messages)));
  SAIN_RETURN_IF_ERROR(set("tools", jinja::from_json(runtime, input.tools, Trust::kInput)));
  SAIN_RETURN_IF_ERROR(set("documents", jinja::Value(jinja::None{})));
  SAIN_RETURN_IF_ERROR(set("add_generation_prompt", jinja::Value(input.add_generation_prompt)));
  SAIN_RETURN_IF_ERROR(set("bos_token", runtime.make_text(input.bos_token, Trust::kTemplate)));
  SAIN_RETURN_IF_ERROR(set("eos_token", runtime.make_text(input.eos_token, Trust::kTemplate)));
  if (!input.extra.is_object()) {
    return make_error(ErrorCode::kInvalidArgument, "extra: expected an object, found {}", input.extra.type_name());
  }
  for (const auto& [name, value] : input.extra.items()) {
    if (!interpreter.uses(name)) continue;
    SAIN_RETURN_IF_ERROR(set(name, jinja::from_json(runtime, value, Trust::kInput)));
  }
  return {};
}

}  // namespace

struct ChatTemplate::State {
  std::string name, source;
  jinja::Program program;
};

ChatTemplate::ChatTemplate(std::unique_ptr<State> state) : state_(std::move(state)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

Result<ChatTemplate> ChatTemplate::compile(std::string_view source, std::string_view name) {
  auto program = jinja::parse(source);
  if (!program) return make_error(program.error().code, "chat template '{}': {}", name, program.error().message);
  return ChatTemplate(std::make_unique<State>(State{std::string(name), std::string(source), *std::move(program)}));
}

bool ChatTemplate::mentions(std::string_view text) const {
  return state_->source.find(text) != std::string::npos;
}

Result<RenderedPrompt> ChatTemplate::render(const ChatTemplateInput& input, const TemplateLimits& limits) const {
  const auto in_template = [&](const Error& error) {
    return make_error(error.code, "chat template '{}': {}", state_->name, error.message);
  };
  jinja::Runtime runtime(limits, input.now);
  jinja::Interpreter interpreter(state_->program, runtime);
  if (const Status status = set_variables(interpreter, runtime, input); !status) return in_template(status.error());
  auto text = interpreter.run();
  if (!text) return in_template(text.error());

  RenderedPrompt prompt;
  prompt.text = text->bytes();
  for (const jinja::Text::Run& run : text->runs()) {
    prompt.spans.push_back({run.begin, run.end, run.trust == Trust::kTemplate});
  }
  return prompt;
}

std::vector<TextSegment> RenderedPrompt::segments() const {
  std::vector<TextSegment> result;
  for (const Span& span : spans) {
    result.push_back({std::string_view(text).substr(span.begin, span.end - span.begin),
                      span.from_template ? SpecialTokens::kParse : SpecialTokens::kAsText});
  }
  return result;
}

}  // namespace sain::formats
