// The operators for vectors of any width: S is a struct of kernels/simd/. In an anonymous namespace, so that
// nothing compiled for one instruction set reaches the other files.
#pragma once

#include <stddef.h>

namespace sain::kernels {
namespace {

template <class S>
void elementwise_add_f32(const float* x, float* y, size_t n) {
  size_t i = 0;
  for (; i + S::kLanes <= n; i += S::kLanes) S::store(y + i, S::add(S::load(y + i), S::load(x + i)));
  if (i < n) S::store_first(y + i, S::add(S::load_first(y + i, n - i), S::load_first(x + i, n - i)), n - i);
}

template <class S>
void elementwise_scale_f32(float factor, float* y, size_t n) {
  const typename S::F factors = S::set1(factor);
  size_t i = 0;
  for (; i + S::kLanes <= n; i += S::kLanes) S::store(y + i, S::mul(S::load(y + i), factors));
  if (i < n) S::store_first(y + i, S::mul(S::load_first(y + i, n - i), factors), n - i);
}

}  // namespace
}  // namespace sain::kernels
