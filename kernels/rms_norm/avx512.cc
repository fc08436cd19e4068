#ifdef __AVX512F__
#include <stddef.h>

#include "kernels/rms_norm/vector.h"
#include "kernels/rms_norm/versions.h"
#include "kernels/simd/avx512.h"

namespace sain::kernels {

void rms_norm_f32_avx512(const float* x, const float* weight, float epsilon, float* y, size_t n) {
  rms_norm_f32<Avx512>(x, weight, epsilon, y, n);
}

}  // namespace sain::kernels
#endif
