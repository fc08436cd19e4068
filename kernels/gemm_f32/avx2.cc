#ifdef __AVX2__
#include <stddef.h>

#include "kernels/gemm_f32/vector.h"
#include "kernels/gemm_f32/versions.h"
#include "kernels/simd/avx2.h"

namespace sain::kernels {

float gemm_f32_dot_avx2(const float* a, const float* b, size_t n) {
  return gemm_f32_dot<Avx2>(a, b, n);
}

void gemm_f32_tile_avx2(const float* panel, size_t k, const float* x, size_t x_stride, size_t n_tokens, float* y,
                        size_t y_stride, size_t n_rows) {
  gemm_f32_tile<Avx2>(panel, k, x, x_stride, n_tokens, y, y_stride, n_rows);
}

}  // namespace sain::kernels
#endif
