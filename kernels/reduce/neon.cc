#ifdef __ARM_FEATURE_DOTPROD
#include <stddef.h>

#include "kernels/reduce/vector.h"
#include "kernels/reduce/versions.h"
#include "kernels/simd/neon.h"

namespace sain::kernels {

size_t reduce_argmax_f32_neon(const float* x, size_t n) {
  return reduce_argmax_f32<Neon>(x, n);
}
float reduce_max_f32_neon(const float* x, size_t n) {
  return reduce_max_f32<Neon>(x, n);
}
size_t reduce_find_above_f32_neon(const float* x, size_t begin, size_t n, float threshold) {
  return reduce_find_above_f32<Neon>(x, begin, n, threshold);
}
double reduce_exp_sum_f32_neon(const float* x, float shift, size_t n) {
  return reduce_exp_sum_f32<Neon>(x, shift, n);
}

}  // namespace sain::kernels
#endif
