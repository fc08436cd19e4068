// The operators for vectors of any width: S is a struct of kernels/simd/. In an anonymous namespace, so that nothing
// compiled for one instruction set reaches the other files.
#pragma once

#include <stddef.h>

#include "kernels/gemm_f32/gemm_f32.h"

namespace sain::kernels {
namespace {

template <class S>
float gemm_f32_dot(const float* a, const float* b, size_t n) {
  using F = typename S::F;
  // Four chains: two FMAs a cycle of latency four want eight, but loads (two a cycle) are the limit here already.
  F sum[4] = {S::zero(), S::zero(), S::zero(), S::zero()};
  size_t i = 0;
  for (; i + 4 * S::kLanes <= n; i += 4 * S::kLanes) {
    for (size_t c = 0; c < 4; ++c) {
      sum[c] = S::fma(S::load(a + i + S::kLanes * c), S::load(b + i + S::kLanes * c), sum[c]);
    }
  }
  for (; i + S::kLanes <= n; i += S::kLanes) sum[0] = S::fma(S::load(a + i), S::load(b + i), sum[0]);
  float total = S::sum(S::add(S::add(sum[0], sum[1]), S::add(sum[2], sum[3])));
  for (; i < n; ++i) total += a[i] * b[i];
  return total;
}

/// One panel against kTokens columns, whose sums all stay in registers.
template <class S, size_t kTokens>
void tile_columns(const float* panel, size_t k, const float* x, size_t x_stride, float* y, size_t y_stride,
                  size_t n_rows) {
  using F = typename S::F;
  constexpr size_t kVectors = kGemmF32Rows / S::kLanes;
  F sum[kTokens][kVectors];
  for (size_t t = 0; t < kTokens; ++t) {
    for (size_t v = 0; v < kVectors; ++v) sum[t][v] = S::zero();
  }
  for (size_t i = 0; i < k; ++i) {
    F w[kVectors];
    for (size_t v = 0; v < kVectors; ++v) w[v] = S::load(panel + i * kGemmF32Rows + v * S::kLanes);
    for (size_t t = 0; t < kTokens; ++t) {
      const F xi = S::set1(x[t * x_stride + i]);
      for (size_t v = 0; v < kVectors; ++v) sum[t][v] = S::fma(w[v], xi, sum[t][v]);
    }
  }
  for (size_t t = 0; t < kTokens; ++t) {
    float* out = y + t * y_stride;
    if (n_rows == kGemmF32Rows) {
      for (size_t v = 0; v < kVectors; ++v) {
        S::store(out + v * S::kLanes, S::add(S::load(out + v * S::kLanes), sum[t][v]));
      }
    } else {
      float sums[kGemmF32Rows];
      for (size_t v = 0; v < kVectors; ++v) S::store(sums + v * S::kLanes, sum[t][v]);
      for (size_t r = 0; r < n_rows; ++r) out[r] += sums[r];
    }
  }
}

/// Six columns at once: 12 of AVX2's 16 registers are sums, 24 of NEON's 32.
template <class S>
void gemm_f32_tile(const float* panel, size_t k, const float* x, size_t x_stride, size_t n_tokens, float* y,
                   size_t y_stride, size_t n_rows) {
  size_t t = 0;
  for (; t + 6 <= n_tokens; t += 6) {
    tile_columns<S, 6>(panel, k, x + t * x_stride, x_stride, y + t * y_stride, y_stride, n_rows);
  }
  for (; t + 2 <= n_tokens; t += 2) {
    tile_columns<S, 2>(panel, k, x + t * x_stride, x_stride, y + t * y_stride, y_stride, n_rows);
  }
  if (t < n_tokens) tile_columns<S, 1>(panel, k, x + t * x_stride, x_stride, y + t * y_stride, y_stride, n_rows);
}

}  // namespace
}  // namespace sain::kernels
