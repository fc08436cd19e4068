#include "kernels/rope/rope.h"
#include "kernels/rope/versions.h"

namespace sain::kernels {

Rope select_rope(Isa isa) {
#ifdef SAIN_HAVE_AVX2
  if (isa == Isa::kAvx512) return {rope_adjacent_f32_avx512, rope_halves_f32_avx512};
  if (isa >= Isa::kAvx2) return {rope_adjacent_f32_avx2, rope_halves_f32_avx2};
#endif
#ifdef SAIN_HAVE_NEON
  if (isa == Isa::kNeon) return {rope_adjacent_f32_neon, rope_halves_f32_neon};
#endif
  (void)isa;
  return {rope_adjacent_f32_scalar, rope_halves_f32_scalar};
}

}  // namespace sain::kernels
