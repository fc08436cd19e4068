#ifdef __AVX512F__
#include <stddef.h>

#include "kernels/activation/vector.h"
#include "kernels/activation/versions.h"
#include "kernels/simd/avx512.h"

namespace sain::kernels {

void swiglu_f32_avx512(const float* gate, const float* up, float* out, size_t n) {
  swiglu_f32<Avx512>(gate, up, out, n);
}
void geglu_f32_avx512(const float* gate, const float* up, float* out, size_t n) {
  geglu_f32<Avx512>(gate, up, out, n);
}
void gelu_f32_avx512(const float* x, float* out, size_t n) {
  gelu_f32<Avx512>(x, out, n);
}

}  // namespace sain::kernels
#endif
