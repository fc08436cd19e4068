// The operator for vectors of any width: S is a struct of kernels/simd/. Products and sums are rounded one by
// one, as in the scalar version. In an anonymous namespace, so that nothing compiled for one instruction set reaches
// the other files.
#pragma once

#include <stddef.h>

namespace sain::kernels {
namespace {

/// The pairs [i, i + S::kLanes / 2) are neighbours, in one vector; the last vector of a head may be a part of one.
template <class S>
void rope_adjacent_f32(float* heads, size_t n_heads, size_t head_dim, const float* cos_sin, size_t rotary_dim) {
  using F = typename S::F;
  for (size_t i = 0; i < rotary_dim; i += S::kLanes) {
    const size_t n = rotary_dim - i < S::kLanes ? rotary_dim - i : S::kLanes;
    const F angles = n == S::kLanes ? S::load(cos_sin + i) : S::load_first(cos_sin + i, n);
    const F cos = S::even_twice(angles), sin = S::odd_twice(angles);
    for (size_t h = 0; h < n_heads; ++h) {
      float* x = heads + h * head_dim + i;
      const F pairs = n == S::kLanes ? S::load(x) : S::load_first(x, n);
      const F turned = S::sub_add(S::mul(pairs, cos), S::mul(S::swap_pairs(pairs), sin));
      n == S::kLanes ? S::store(x, turned) : S::store_first(x, turned, n);
    }
  }
}

template <class S>
void rope_halves_f32(float* heads, size_t n_heads, size_t head_dim, const float* cos_sin, size_t rotary_dim) {
  using F = typename S::F;
  const size_t half = rotary_dim / 2;
  size_t i = 0;
  for (; i + S::kLanes <= half; i += S::kLanes) {
    const F low = S::load(cos_sin + 2 * i), high = S::load(cos_sin + 2 * i + S::kLanes);
    const F cos = S::evens(low, high), sin = S::odds(low, high);
    for (size_t h = 0; h < n_heads; ++h) {
      float* x = heads + h * head_dim + i;
      const F a = S::load(x), b = S::load(x + half);
      S::store(x, S::sub(S::mul(a, cos), S::mul(b, sin)));
      S::store(x + half, S::add(S::mul(a, sin), S::mul(b, cos)));
    }
  }
  for (; i < half; ++i) {
    const float cos = cos_sin[2 * i], sin = cos_sin[2 * i + 1];
    for (size_t h = 0; h < n_heads; ++h) {
      float* x = heads + h * head_dim + i;
      const float a = x[0], b = x[half];
      x[0] = a * cos - b * sin;
      x[half] = a * sin + b * cos;
    }
  }
}

}  // namespace
}  // namespace sain::kernels
