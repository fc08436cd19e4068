#ifdef __ARM_FEATURE_DOTPROD
#include <stddef.h>

#include "kernels/activation/vector.h"
#include "kernels/activation/versions.h"
#include "kernels/simd/neon.h"

namespace sain::kernels {

void swiglu_f32_neon(const float* gate, const float* up, float* out, size_t n) {
  swiglu_f32<Neon>(gate, up, out, n);
}
void geglu_f32_neon(const float* gate, const float* up, float* out, size_t n) {
  geglu_f32<Neon>(gate, up, out, n);
}
void gelu_f32_neon(const float* x, float* out, size_t n) {
  gelu_f32<Neon>(x, out, n);
}

}  // namespace sain::kernels
#endif
