#include "kernels/elementwise/elementwise.h"
#include "kernels/elementwise/versions.h"

namespace sain::kernels {

Elementwise select_elementwise(Isa isa) {
#ifdef SAIN_HAVE_AVX2
  if (isa == Isa::kAvx512) return {elementwise_add_f32_avx512, elementwise_scale_f32_avx512};
  if (isa >= Isa::kAvx2) return {elementwise_add_f32_avx2, elementwise_scale_f32_avx2};
#endif
#ifdef SAIN_HAVE_NEON
  if (isa == Isa::kNeon) return {elementwise_add_f32_neon, elementwise_scale_f32_neon};
#endif
  (void)isa;
  return {elementwise_add_f32_scalar, elementwise_scale_f32_scalar};
}

}  // namespace sain::kernels
