// The operator for vectors of any width: S is a struct of kernels/simd/. In an anonymous namespace, so that
// nothing compiled for one instruction set reaches the other files.
#pragma once

#include <stddef.h>

namespace sain::kernels {
namespace {

template <class S>
void layer_norm_f32(const float* x, const float* weight, const float* bias, float epsilon, float* y, size_t n) {
  using F = typename S::F;
  // Sums in double, as in the scalar version.
  typename S::D low = S::zero_d(), high = S::zero_d();
  const size_t whole = n / S::kLanes * S::kLanes, rest = n - whole;
  for (size_t i = 0; i < whole; i += S::kLanes) S::add_to(S::load(x + i), low, high);
  if (rest != 0) S::add_to(S::load_first(x + whole, rest), low, high);
  const float mean = static_cast<float>(S::sum_d(S::add_d(low, high)) / static_cast<double>(n));
  const F middle = S::set1(mean);
  low = high = S::zero_d();
  for (size_t i = 0; i < whole; i += S::kLanes) S::add_squares(S::sub(S::load(x + i), middle), low, high);
  double squares = S::sum_d(S::add_d(low, high));
  for (size_t i = whole; i < n; ++i) {
    const double deviation = static_cast<double>(x[i] - mean);
    squares += deviation * deviation;
  }
  const double variance = squares / static_cast<double>(n) + static_cast<double>(epsilon);
  const F scale = S::set1(static_cast<float>(1.0 / __builtin_sqrt(variance)));
  const auto normed = [&](F values, F weights, F biases) {
    return S::add(S::mul(S::mul(S::sub(values, middle), scale), weights), biases);
  };
  for (size_t i = 0; i < whole; i += S::kLanes) {
    S::store(y + i, normed(S::load(x + i), S::load(weight + i), S::load(bias + i)));
  }
  if (rest == 0) return;
  const F last =
      normed(S::load_first(x + whole, rest), S::load_first(weight + whole, rest), S::load_first(bias + whole, rest));
  S::store_first(y + whole, last, rest);
}

}  // namespace
}  // namespace sain::kernels
