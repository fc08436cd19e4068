#ifdef __AVX512F__
#include <stddef.h>

#include "kernels/layer_norm/vector.h"
#include "kernels/layer_norm/versions.h"
#include "kernels/simd/avx512.h"

namespace sain::kernels {

void layer_norm_f32_avx512(const float* x, const float* weight, const float* bias, float epsilon, float* y, size_t n) {
  layer_norm_f32<Avx512>(x, weight, bias, epsilon, y, n);
}

}  // namespace sain::kernels
#endif
