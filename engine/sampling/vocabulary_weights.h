// The probability of every token of a vocabulary, for draws that no rule narrows down beforehand.
#pragma once

#include <span>
#include <vector>

#include "formats/tokenizer.h"

namespace sain::engine {

using formats::Token;

/// Weights side by side in memory, and their sums by the block: a draw goes along the sums, then along one block.
/// Plain loops of exact operations, so that a seed means the same on every machine.
class VocabularyWeights {
 public:
  explicit VocabularyWeights(size_t vocab_size);

  /// weight = e^((logit - greatest) / temperature), temperature > 0, with `greatest` the greatest finite logit; 0 for
  /// what is not finite. `logits` are at most vocab_size. Allocates nothing.
  void set(std::span<const float> logits, float greatest, float temperature);

  float operator[](size_t token) const { return weights_[token]; }
  double total() const { return total_; }

  /// Chooses by weight, as draw() of truncation.h. total() must not be 0.
  Token draw(double number) const;

 private:
  static constexpr size_t kBlock = 256;  // tokens

  std::vector<float> weights_;  // (vocab), in whole blocks: 0 beyond its end
  std::vector<double> sums_;    // (blocks)
  double total_ = 0;
};

}  // namespace sain::engine
