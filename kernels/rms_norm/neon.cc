#ifdef __ARM_FEATURE_DOTPROD
#include <stddef.h>

#include "kernels/rms_norm/vector.h"
#include "kernels/rms_norm/versions.h"
#include "kernels/simd/neon.h"

namespace sain::kernels {

void rms_norm_f32_neon(const float* x, const float* weight, float epsilon, float* y, size_t n) {
  rms_norm_f32<Neon>(x, weight, epsilon, y, n);
}

}  // namespace sain::kernels
#endif
