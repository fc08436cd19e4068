#include "router/prompt.h"

#include <algorithm>

#include "router/tool_prompt.h"

namespace sain::router {
namespace {

using formats::SpecialTokens;
using formats::Token;

std::vector<Token> render_plain(const engine::Model& model, std::span<const Message> messages, Thinking thinking) {
  std::string text;
  for (const Message& message : messages) {
    if (message.role == "system") {
      text += message.content + "\n\n";
    } else {
      text += (message.role == "user" ? "User: " : "Assistant: ") + message.content + "\n";
    }
  }
  text += "Assistant:";
  const formats::TextSegment segments[] = {{text, SpecialTokens::kAsText},
                                           {thought_suffix(model, {}, thinking), SpecialTokens::kParse}};
  return with_bos(model.tokenizer(), model.tokenizer().encode(segments));
}

Result<formats::RenderedPrompt> render_template(const engine::Model& model, std::span<const Message> messages,
                                                std::time_t now, Thinking thinking, const ToolSet* tools) {
  const formats::Tokenizer& tokenizer = model.tokenizer();
  const auto piece = [&tokenizer](std::optional<Token> token) {
    return token ? tokenizer.piece(*token, SpecialTokens::kParse) : std::string();
  };
  formats::ChatTemplateInput input;
  input.messages = template_messages(messages);
  if (tools != nullptr) input.tools = tools->to_json();
  input.bos_token = piece(tokenizer.bos());
  input.eos_token = piece(tokenizer.eos());
  // Under the two names that templates ask for it by.
  input.extra["enable_thinking"] = input.extra["thinking"] = thinking == Thinking::kFirst;
  input.now = now;
  return model.chat_template()->render(input);
}

/// The system message joined to the first request.
std::vector<Message> without_system(std::span<const Message> messages) {
  std::vector<Message> merged(messages.begin() + 1, messages.end());
  merged.front().content = messages.front().content + "\n\n" + merged.front().content;
  return merged;
}

bool has_calls(std::span<const Message> messages) {
  return std::ranges::any_of(messages, [](const Message& message) { return message.role == "tool"; });
}

/// Without its system message where the template refuses one.
Result<formats::RenderedPrompt> render_with_system(const engine::Model& model, std::span<const Message> messages,
                                                   std::time_t now, Thinking thinking, const ToolSet* tools = nullptr) {
  auto rendered = render_template(model, messages, now, thinking, tools);
  if (!rendered && rendered.error().code == ErrorCode::kInvalidArgument && messages.size() > 1 &&
      messages.front().role == "system")
    return render_template(model, without_system(messages), now, thinking, tools);
  return rendered;
}

}  // namespace

std::vector<Token> with_bos(const formats::Tokenizer& tokenizer, std::vector<Token> tokens) {
  const auto bos = tokenizer.bos();
  if (tokenizer.add_bos() && bos && (tokens.empty() || tokens.front() != *bos)) tokens.insert(tokens.begin(), *bos);
  return tokens;
}

Result<std::vector<Token>> render_prompt(const engine::Model& model, std::span<const Message> messages, std::time_t now,
                                         Thinking thinking, const ToolSet* tools) {
  if (tools != nullptr && tools->callable.empty()) tools = nullptr;  // what may not be called is not offered
  const bool needs_tools = tools != nullptr || has_calls(messages);
  const std::vector<Message> plain = needs_tools ? plain_messages(messages, tools) : std::vector<Message>();
  const std::span<const Message> words = needs_tools ? plain : messages;
  if (model.chat_template() == nullptr) return render_plain(model, words, thinking);
  const bool is_native = needs_tools && tool_style(model.chat_template()) != ToolStyle::kGeneric;
  auto rendered = is_native ? render_with_system(model, messages, now, thinking, tools)
                            : render_with_system(model, words, now, thinking);
  if (!rendered && is_native) rendered = render_with_system(model, words, now, thinking);
  if (!rendered) return std::move(rendered).error();
  std::vector<formats::TextSegment> segments = rendered->segments();
  const bool ends_by_template = !segments.empty() && segments.back().special == SpecialTokens::kParse;
  const std::string_view end = ends_by_template ? segments.back().text : std::string_view();
  segments.push_back({thought_suffix(model, end, thinking), SpecialTokens::kParse});
  return with_bos(model.tokenizer(), model.tokenizer().encode(segments));
}

std::vector<std::string> plain_stop_strings() {
  return {"\nUser:", "\nAssistant:"};
}

}  // namespace sain::router
