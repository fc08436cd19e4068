#include "router/prompt.h"

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
                                                std::time_t now, Thinking thinking) {
  const formats::Tokenizer& tokenizer = model.tokenizer();
  const auto piece = [&tokenizer](std::optional<Token> token) {
    return token ? tokenizer.piece(*token, SpecialTokens::kParse) : std::string();
  };
  formats::ChatTemplateInput input;
  for (const Message& message : messages)
    input.messages.push_back({{"role", message.role}, {"content", message.content}});
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

}  // namespace

std::vector<Token> with_bos(const formats::Tokenizer& tokenizer, std::vector<Token> tokens) {
  const auto bos = tokenizer.bos();
  if (tokenizer.add_bos() && bos && (tokens.empty() || tokens.front() != *bos)) tokens.insert(tokens.begin(), *bos);
  return tokens;
}

Result<std::vector<Token>> render_prompt(const engine::Model& model, std::span<const Message> messages, std::time_t now,
                                         Thinking thinking) {
  if (model.chat_template() == nullptr) return render_plain(model, messages, thinking);
  auto rendered = render_template(model, messages, now, thinking);
  if (!rendered && rendered.error().code == ErrorCode::kInvalidArgument && messages.size() > 1 &&
      messages.front().role == "system")
    rendered = render_template(model, without_system(messages), now, thinking);
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
