#ifdef __ARM_FEATURE_DOTPROD
#include <stddef.h>

#include "kernels/rope/vector.h"
#include "kernels/rope/versions.h"
#include "kernels/simd/neon.h"

namespace sain::kernels {

void rope_adjacent_f32_neon(float* heads, size_t n_heads, size_t head_dim, const float* cos_sin, size_t rotary_dim) {
  rope_adjacent_f32<Neon>(heads, n_heads, head_dim, cos_sin, rotary_dim);
}
void rope_halves_f32_neon(float* heads, size_t n_heads, size_t head_dim, const float* cos_sin, size_t rotary_dim) {
  rope_halves_f32<Neon>(heads, n_heads, head_dim, cos_sin, rotary_dim);
}

}  // namespace sain::kernels
#endif
