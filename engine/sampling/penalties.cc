#include "engine/sampling/penalties.h"

#include <algorithm>

namespace sain::engine {

void apply_logit_bias(std::span<float> logits, std::span<const std::pair<Token, float>> biases) {
  for (const auto& [token, bias] : biases) {
    if (static_cast<size_t>(token) < logits.size()) logits[token] += bias;
  }
}

void apply_penalties(std::span<float> logits, std::span<const Token> history, const Penalties& penalties,
                     std::span<uint32_t> counts) {
  if (!penalties.active()) return;
  if (penalties.last_n > 0) history = history.last(std::min<size_t>(history.size(), penalties.last_n));
  for (const Token token : history) {
    if (static_cast<size_t>(token) < logits.size()) ++counts[token];
  }
  for (const Token token : history) {
    if (static_cast<size_t>(token) >= logits.size() || counts[token] == 0) continue;
    float& logit = logits[token];
    logit = logit > 0 ? logit / penalties.repetition : logit * penalties.repetition;
    logit -= static_cast<float>(counts[token]) * penalties.frequency + penalties.presence;
    counts[token] = 0;
  }
}

}  // namespace sain::engine
