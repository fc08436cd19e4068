#include "engine/sampling/vocabulary_weights.h"

#include <algorithm>

#include "engine/sampling/exp.h"

namespace sain::engine {

VocabularyWeights::VocabularyWeights(size_t vocab_size)
    : weights_((vocab_size + kBlock - 1) / kBlock * kBlock), sums_(weights_.size() / kBlock) {}

void VocabularyWeights::set(std::span<const float> logits, float greatest, float temperature) {
  for (size_t i = 0; i < logits.size(); ++i) {
    const float logit = logits[i];
    weights_[i] = logit <= greatest ? exp_nonpositive((logit - greatest) / temperature) : 0;
  }
  std::fill(weights_.begin() + static_cast<ptrdiff_t>(logits.size()), weights_.end(), 0.0f);
  total_ = 0;
  for (size_t block = 0; block < sums_.size(); ++block) {
    constexpr size_t kLanes = 4;  // sums that a vector unit takes side by side
    double lanes[kLanes] = {};
    for (size_t i = block * kBlock; i < (block + 1) * kBlock; i += kLanes) {
      for (size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += double{weights_[i + lane]};
    }
    sums_[block] = lanes[0] + lanes[1] + lanes[2] + lanes[3];
    total_ += sums_[block];
  }
}

Token VocabularyWeights::draw(double number) const {
  double left = number * total_;
  size_t block = 0, last = 0;  // the last block that has a weight
  for (; block < sums_.size(); ++block) {
    if (sums_[block] == 0) continue;
    last = block;
    if (left < sums_[block]) break;
    left -= sums_[block];
  }
  size_t token = last * kBlock;
  for (size_t i = last * kBlock; i < (last + 1) * kBlock; ++i) {
    if (weights_[i] == 0) continue;
    token = i;
    if (left < double{weights_[i]}) break;
    left -= double{weights_[i]};
  }
  return static_cast<Token>(token);  // the last one where rounding left too much
}

}  // namespace sain::engine
