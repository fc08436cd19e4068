#ifdef __AVX2__
#include <stddef.h>

#include "kernels/rms_norm/vector.h"
#include "kernels/rms_norm/versions.h"
#include "kernels/simd/avx2.h"

namespace sain::kernels {

void rms_norm_f32_avx2(const float* x, const float* weight, float epsilon, float* y, size_t n) {
  rms_norm_f32<Avx2>(x, weight, epsilon, y, n);
}

}  // namespace sain::kernels
#endif
