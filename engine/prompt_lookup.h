// Speculation without a second model: what followed the last tokens earlier in the conversation may follow them again.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "formats/tokenizer.h"

namespace sain::engine {

using formats::Token;

/// Proposes the next tokens of a conversation from its own history (prompt lookup decoding, A. Saxena 2023; the check
/// of a draft by one forward pass: arXiv 2211.17192, section 2). How many pays is decided from two things that it
/// observes: how often proposals came true, which costs nothing to find out while none is used, and how long passes
/// of several tokens take beside those of one. Allocates nothing. Used by one thread.
class PromptLookup {
 public:
  static constexpr size_t kMaxDraft = 15;

  /// The tokens that are likely to follow `history`; empty where nothing is known or where checking them would cost
  /// more time than it saves. Valid until the next call.
  std::span<const Token> propose(std::span<const Token> history);

  /// Tells what really followed the history of the last propose(), as far as it is known: the proposed tokens that came
  /// true, and the one after them.
  void observe(std::span<const Token> actual);

  /// Tells how long a forward pass over n_tokens (1 to kMaxDraft + 1) took.
  void observe_pass(size_t n_tokens, double ms);

 private:
  static constexpr size_t kMinMatch = 2, kMaxMatch = 6;  // tokens at the end of the history that occurred before

  size_t find(std::span<const Token> history);
  size_t best_length() const;
  double cost(size_t n_tokens) const;

  std::array<Token, kMaxDraft> draft_{};
  size_t n_draft_ = 0;  // tokens that were found, used or not
  size_t match_ = 0;    // length of the match that they follow
  std::array<double, kMaxMatch + 1> hit_rate_ = {0, 0, 0.3, 0.4, 0.5, 0.6, 0.7};  // of a token, by length of match
  std::array<double, kMaxDraft + 2> pass_ms_{};                                   // by tokens; 0: not known
};

}  // namespace sain::engine
