// The operator for vectors of any width: S is a struct of kernels/simd/. In an anonymous namespace, so that
// nothing compiled for one instruction set reaches the other files.
#pragma once

#include <stddef.h>

namespace sain::kernels {
namespace {

template <class S>
void rms_norm_f32(const float* x, const float* weight, float epsilon, float* y, size_t n) {
  using F = typename S::F;
  // Squares and their sum in double, as in the scalar version: huge values do not overflow.
  typename S::D sums[4] = {S::zero_d(), S::zero_d(), S::zero_d(), S::zero_d()};
  size_t i = 0;
  for (; i + 2 * S::kLanes <= n; i += 2 * S::kLanes) {
    S::add_squares(S::load(x + i), sums[0], sums[1]);
    S::add_squares(S::load(x + i + S::kLanes), sums[2], sums[3]);
  }
  for (; i < n; i += S::kLanes) {
    const size_t rest = n - i;
    S::add_squares(rest < S::kLanes ? S::load_first(x + i, rest) : S::load(x + i), sums[0], sums[1]);
  }
  const double sum = S::sum_d(S::add_d(S::add_d(sums[0], sums[1]), S::add_d(sums[2], sums[3])));
  const double mean = sum / static_cast<double>(n) + static_cast<double>(epsilon);
  const F scale = S::set1(static_cast<float>(1.0 / __builtin_sqrt(mean)));
  for (i = 0; i + S::kLanes <= n; i += S::kLanes) {
    S::store(y + i, S::mul(S::mul(S::load(x + i), scale), S::load(weight + i)));
  }
  if (i < n) {
    const F last = S::mul(S::mul(S::load_first(x + i, n - i), scale), S::load_first(weight + i, n - i));
    S::store_first(y + i, last, n - i);
  }
}

}  // namespace
}  // namespace sain::kernels
