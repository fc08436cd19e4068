#ifdef __ARM_FEATURE_DOTPROD
#include <stddef.h>

#include "kernels/layer_norm/vector.h"
#include "kernels/layer_norm/versions.h"
#include "kernels/simd/neon.h"

namespace sain::kernels {

void layer_norm_f32_neon(const float* x, const float* weight, const float* bias, float epsilon, float* y, size_t n) {
  layer_norm_f32<Neon>(x, weight, bias, epsilon, y, n);
}

}  // namespace sain::kernels
#endif
