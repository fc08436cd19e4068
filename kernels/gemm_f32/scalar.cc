#include "kernels/gemm_f32/gemm_f32.h"
#include "kernels/gemm_f32/versions.h"

namespace sain::kernels {

float gemm_f32_dot_scalar(const float* a, const float* b, size_t n) {
  // Independent lanes, so that a compiler may vectorise without reordering a sum.
  constexpr size_t kLanes = 16;
  float lanes[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (size_t l = 0; l < kLanes; ++l) lanes[l] += a[i + l] * b[i + l];
  }
  float sum = 0;
  for (; i < n; ++i) sum += a[i] * b[i];
  for (size_t half = kLanes / 2; half > 0; half /= 2) {
    for (size_t l = 0; l < half; ++l) lanes[l] += lanes[l + half];
  }
  return sum + lanes[0];
}

void gemm_f32_pack_scalar(const float* rows, size_t stride, size_t n_rows, size_t k, float* panel) {
  for (size_t r = 0; r < kGemmF32Rows; ++r) {
    for (size_t i = 0; i < k; ++i) panel[i * kGemmF32Rows + r] = r < n_rows ? rows[r * stride + i] : 0.0f;
  }
}

void gemm_f32_tile_scalar(const float* panel, size_t k, const float* x, size_t x_stride, size_t n_tokens, float* y,
                          size_t y_stride, size_t n_rows) {
  for (size_t t = 0; t < n_tokens; ++t) {
    float sums[kGemmF32Rows] = {};
    for (size_t i = 0; i < k; ++i) {
      const float xi = x[t * x_stride + i];
      for (size_t r = 0; r < kGemmF32Rows; ++r) sums[r] += panel[i * kGemmF32Rows + r] * xi;
    }
    for (size_t r = 0; r < n_rows; ++r) y[t * y_stride + r] += sums[r];
  }
}

}  // namespace sain::kernels
