// Thought before an answer: a model that is let think is given an open thought, and so many tokens to close it.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "engine/session.h"
#include "formats/result.h"

namespace sain::router {

inline constexpr std::string_view kThoughtOpen = "<think>", kThoughtClose = "</think>";

/// Whether an answer begins with a thought.
enum class Thinking { kNone, kFirst };

/// Of a member that does not say so: tokens of thought, where the model's template knows of it.
inline constexpr uint32_t kThinkingTokens = 256;

/// Whether the model's chat template knows of thoughts: it mentions one of the tags, or whether to think.
bool knows_thinking(const engine::Model& model);

/// What must stand behind a prompt that the model's template has rendered, whose own last words are `end`, so that it
/// has opened a thought (kFirst), or is past one (kNone; nothing where the template does not know of thoughts).
std::string_view thought_suffix(const engine::Model& model, std::string_view end, Thinking thinking);

/// The end of a thought: what the session has yet to take in before the answer, and what the thought has cost.
struct ThoughtEnd {
  std::vector<engine::Token> tokens;
  engine::Timings timings;
  size_t n_tokens = 0;  // that were generated
};

/// Appends `tokens`, whose end has opened a thought, and lets the model think into `sink`, without the closing tag, as
/// `answer` says (but for its stop strings). The tag is forced after max_tokens, or when the model ends before it has
/// closed the thought. Errors: those of Session::generate.
Result<ThoughtEnd> think(engine::Session& session, std::span<const engine::Token> tokens,
                         const engine::GenerateOptions& answer, uint32_t max_tokens, std::stop_token stop,
                         engine::TokenSink& sink);

/// Passes an answer on, but for a thought that it begins with in spite of all, and for spaces after a thought.
class AnswerFilter : public engine::TokenSink {
 public:
  AnswerFilter(engine::TokenSink& next, Thinking before) : next_(next), trims_(before == Thinking::kFirst) {}

  void on_text(std::string_view text) override;
  void on_token(const engine::ChosenToken& token) override { next_.on_token(token); }

  /// The answer is complete.
  void finish();

  const std::string& text() const { return text_; }  // that was passed on

 private:
  enum class State { kBeginning, kThought, kAnswer };
  void pass(std::string_view text);

  engine::TokenSink& next_;
  bool trims_;
  State state_ = State::kBeginning;
  std::string held_;  // of the beginning, or what may be a part of the closing tag
  std::string text_;
};

}  // namespace sain::router
