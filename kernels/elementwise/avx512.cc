#ifdef __AVX512F__
#include <stddef.h>

#include "kernels/elementwise/vector.h"
#include "kernels/elementwise/versions.h"
#include "kernels/simd/avx512.h"

namespace sain::kernels {

void elementwise_add_f32_avx512(const float* x, float* y, size_t n) {
  elementwise_add_f32<Avx512>(x, y, n);
}
void elementwise_scale_f32_avx512(float factor, float* y, size_t n) {
  elementwise_scale_f32<Avx512>(factor, y, n);
}

}  // namespace sain::kernels
#endif
