// What changes logits before a token is chosen: bias, and the three penalties on tokens that were used before.
#pragma once

#include <cstdint>
#include <span>
#include <utility>

#include "formats/tokenizer.h"

namespace sain::engine {

using formats::Token;

/// logits[token] += bias for each pair. Ids outside `logits` are skipped.
void apply_logit_bias(std::span<float> logits, std::span<const std::pair<Token, float>> biases);

struct Penalties {
  int last_n = 64;       // tokens of history that count; -1: all
  float repetition = 1;  // > 0
  float frequency = 0;
  float presence = 0;

  bool active() const { return last_n != 0 && (repetition != 1 || frequency != 0 || presence != 0); }
};

/// For each token that occurs c > 0 times in the last `last_n` of `history`, in this order:
///   logit = logit > 0 ? logit / repetition : logit * repetition    (CTRL, arXiv 1909.05858, section 4.1)
///   logit -= c * frequency + presence
/// `counts` (size of logits) is scratch: all zero before and after. Ids outside `logits` are skipped.
void apply_penalties(std::span<float> logits, std::span<const Token> history, const Penalties& penalties,
                     std::span<uint32_t> counts);

}  // namespace sain::engine
