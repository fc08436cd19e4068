// The normaliser of a softmax.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "engine/sampling/exp.h"
#include "kernels/reduce/reduce.h"

namespace sain::engine {

/// ln sum_i e^(logit_i), shifted by the greatest logit so that nothing overflows, summed in double; relative error
/// of the sum below 4e-7. NaN if a logit is NaN or +inf. `logits` is not empty.
inline double log_sum_exp(std::span<const float> logits) {
  constexpr size_t kLanes = 8;  // independent sums, which a compiler can vectorise
  float greatest = -std::numeric_limits<float>::infinity();
  bool is_ordered = true;  // neither NaN nor +inf, which the sum below would not show
  for (const float logit : logits) {
    greatest = std::max(greatest, logit);
    is_ordered &= logit < std::numeric_limits<float>::infinity();
  }
  if (!is_ordered) return std::numeric_limits<double>::quiet_NaN();
  double sums[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= logits.size(); i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      sums[lane] += static_cast<double>(exp_nonpositive(logits[i + lane] - greatest));
    }
  }
  for (; i < logits.size(); ++i) sums[0] += static_cast<double>(exp_nonpositive(logits[i] - greatest));
  double sum = 0;
  for (const double part : sums) sum += part;
  return static_cast<double>(greatest) + std::log(sum);
}

/// The same by the fastest kernels, whose sums differ in the last places from one instruction set to another: for where
/// one thread does this while the others wait.
inline double log_sum_exp(std::span<const float> logits, const kernels::Reduce& reduce) {
  const float greatest = reduce.max(logits.data(), logits.size());
  return static_cast<double>(greatest) + std::log(reduce.exp_sum(logits.data(), greatest, logits.size()));
}

}  // namespace sain::engine
