#ifdef __AVX2__
#include <stddef.h>

#include "kernels/layer_norm/vector.h"
#include "kernels/layer_norm/versions.h"
#include "kernels/simd/avx2.h"

namespace sain::kernels {

void layer_norm_f32_avx2(const float* x, const float* weight, const float* bias, float epsilon, float* y, size_t n) {
  layer_norm_f32<Avx2>(x, weight, bias, epsilon, y, n);
}

}  // namespace sain::kernels
#endif
