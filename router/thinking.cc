#include "router/thinking.h"

#include <algorithm>
#include <utility>

namespace sain::router {
namespace {

using engine::Token;

constexpr std::string_view kBlank = " \t\r\n";

std::string_view trimmed_end(std::string_view text) {
  return text.substr(0, text.find_last_not_of(kBlank) + 1);
}

/// Where `text` may go on as `tag` from, at its end.
size_t beginning_of(std::string_view tag, std::string_view text) {
  for (size_t begin = text.size() - std::min(text.size(), tag.size() - 1); begin < text.size(); ++begin)
    if (tag.starts_with(text.substr(begin))) return begin;
  return text.size();
}

}  // namespace

bool knows_thinking(const engine::Model& model) {
  const formats::ChatTemplate* chat = model.chat_template();
  return chat != nullptr &&
         (chat->mentions(kThoughtOpen) || chat->mentions(kThoughtClose) || chat->mentions("enable_thinking"));
}

std::string_view thought_suffix(const engine::Model& model, std::string_view end, Thinking thinking) {
  const std::string_view words = trimmed_end(end);
  const bool is_open = words.ends_with(kThoughtOpen), is_closed = words.ends_with(kThoughtClose);
  if (thinking == Thinking::kFirst) return is_open ? "" : "<think>\n";
  if (is_open) return "\n</think>\n\n";
  // A template that is told not to think knows best.
  if (is_closed || !knows_thinking(model) || model.chat_template()->mentions("enable_thinking")) return "";
  return "<think>\n\n</think>\n\n";
}

Result<ThoughtEnd> think(engine::Session& session, std::span<const Token> tokens, const engine::GenerateOptions& answer,
                         uint32_t max_tokens, std::stop_token stop, engine::TokenSink& sink) {
  engine::GenerateOptions options = answer;
  options.max_tokens = max_tokens;
  options.stop_strings = {std::string(kThoughtClose)};
  options.top_logprobs.reset();
  options.grammar = nullptr;
  SAIN_ASSIGN_OR_RETURN(engine::Generation thought, session.generate(tokens, options, std::move(stop), sink));
  const formats::Tokenizer& tokenizer = session.model().tokenizer();
  const bool is_closed =
      thought.finish_reason == engine::FinishReason::kStop && !tokenizer.is_end_of_generation(thought.tokens.back());
  // The token that ends a generation is no part of the session yet.
  if (is_closed) return ThoughtEnd{{thought.tokens.back()}, thought.timings, thought.tokens.size()};
  return ThoughtEnd{tokenizer.encode("\n</think>\n\n", formats::SpecialTokens::kParse), thought.timings,
                    thought.tokens.size()};
}

void AnswerFilter::on_text(std::string_view text) {
  if (state_ == State::kAnswer) return pass(text);
  held_ += text;
  if (state_ == State::kBeginning) {
    const size_t first = std::min(held_.find_first_not_of(kBlank), held_.size());
    const std::string_view words = std::string_view(held_).substr(first);
    if (words.starts_with(kThoughtOpen)) {
      held_.erase(0, first + kThoughtOpen.size());
      state_ = State::kThought;
    } else if (!kThoughtOpen.starts_with(words)) {
      state_ = State::kAnswer;
      const std::string held = std::exchange(held_, {});
      return pass(std::string_view(held).substr(trims_ ? first : 0));
    } else {
      return;
    }
  }
  if (const size_t close = held_.find(kThoughtClose); close != std::string::npos) {
    held_.erase(0, close + kThoughtClose.size());
    trims_ = true;
    state_ = State::kBeginning;
    on_text({});
  } else {
    held_.erase(0, beginning_of(kThoughtClose, held_));
  }
}

void AnswerFilter::finish() {
  const std::string held = std::exchange(held_, {});
  if (state_ != State::kBeginning || held.empty()) return;
  pass(std::string_view(held).substr(trims_ ? std::min(held.find_first_not_of(kBlank), held.size()) : 0));
}

void AnswerFilter::pass(std::string_view text) {
  text_ += text;
  next_.on_text(text);
}

}  // namespace sain::router
