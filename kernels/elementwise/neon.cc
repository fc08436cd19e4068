#ifdef __ARM_FEATURE_DOTPROD
#include <stddef.h>

#include "kernels/elementwise/vector.h"
#include "kernels/elementwise/versions.h"
#include "kernels/simd/neon.h"

namespace sain::kernels {

void elementwise_add_f32_neon(const float* x, float* y, size_t n) {
  elementwise_add_f32<Neon>(x, y, n);
}
void elementwise_scale_f32_neon(float factor, float* y, size_t n) {
  elementwise_scale_f32<Neon>(factor, y, n);
}

}  // namespace sain::kernels
#endif
