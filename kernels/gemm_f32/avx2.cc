#ifdef __AVX2__
#include <immintrin.h>
#include <stddef.h>

#include "kernels/gemm_f32/gemm_f32.h"
#include "kernels/gemm_f32/versions.h"

namespace sain::kernels {

float gemm_f32_dot_avx2(const float* a, const float* b, size_t n) {
  // Four chains: two FMAs a cycle of latency four want eight, but loads (two a cycle) are the limit here already.
  __m256 sum[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    for (size_t c = 0; c < 4; ++c) {
      sum[c] = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8 * c), _mm256_loadu_ps(b + i + 8 * c), sum[c]);
    }
  }
  for (; i + 8 <= n; i += 8) sum[0] = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), sum[0]);
  const __m256 all = _mm256_add_ps(_mm256_add_ps(sum[0], sum[1]), _mm256_add_ps(sum[2], sum[3]));
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1));
  four = _mm_add_ps(four, _mm_movehl_ps(four, four));
  float total = _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
  for (; i < n; ++i) total += a[i] * b[i];
  return total;
}

namespace {

/// One panel against kTokens columns: 2 * kTokens accumulators, at most 12 of the 16 registers.
template <size_t kTokens>
void tile_columns(const float* panel, size_t k, const float* x, size_t x_stride, float* y, size_t y_stride,
                  size_t n_rows) {
  __m256 low[kTokens], high[kTokens];
  for (size_t t = 0; t < kTokens; ++t) low[t] = high[t] = _mm256_setzero_ps();
  for (size_t i = 0; i < k; ++i) {
    const __m256 w_low = _mm256_loadu_ps(panel + i * kGemmF32Rows);
    const __m256 w_high = _mm256_loadu_ps(panel + i * kGemmF32Rows + 8);
    for (size_t t = 0; t < kTokens; ++t) {
      const __m256 xi = _mm256_broadcast_ss(x + t * x_stride + i);
      low[t] = _mm256_fmadd_ps(w_low, xi, low[t]);
      high[t] = _mm256_fmadd_ps(w_high, xi, high[t]);
    }
  }
  for (size_t t = 0; t < kTokens; ++t) {
    float* out = y + t * y_stride;
    if (n_rows == kGemmF32Rows) {
      _mm256_storeu_ps(out, _mm256_add_ps(_mm256_loadu_ps(out), low[t]));
      _mm256_storeu_ps(out + 8, _mm256_add_ps(_mm256_loadu_ps(out + 8), high[t]));
    } else {
      float sums[kGemmF32Rows];
      _mm256_storeu_ps(sums, low[t]);
      _mm256_storeu_ps(sums + 8, high[t]);
      for (size_t r = 0; r < n_rows; ++r) out[r] += sums[r];
    }
  }
}

}  // namespace

void gemm_f32_tile_avx2(const float* panel, size_t k, const float* x, size_t x_stride, size_t n_tokens, float* y,
                        size_t y_stride, size_t n_rows) {
  size_t t = 0;
  for (; t + 6 <= n_tokens; t += 6) {
    tile_columns<6>(panel, k, x + t * x_stride, x_stride, y + t * y_stride, y_stride, n_rows);
  }
  for (; t + 2 <= n_tokens; t += 2) {
    tile_columns<2>(panel, k, x + t * x_stride, x_stride, y + t * y_stride, y_stride, n_rows);
  }
  if (t < n_tokens) tile_columns<1>(panel, k, x + t * x_stride, x_stride, y + t * y_stride, y_stride, n_rows);
}

}  // namespace sain::kernels
#endif
