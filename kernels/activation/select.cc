#include "kernels/activation/activation.h"
#include "kernels/activation/versions.h"

namespace sain::kernels {

GatedActivation select_swiglu(Isa isa) {
#ifdef SAIN_HAVE_AVX2
  if (isa == Isa::kAvx512) return swiglu_f32_avx512;
  if (isa >= Isa::kAvx2) return swiglu_f32_avx2;
#endif
#ifdef SAIN_HAVE_NEON
  if (isa == Isa::kNeon) return swiglu_f32_neon;
#endif
  (void)isa;
  return swiglu_f32_scalar;
}

GatedActivation select_geglu(Isa isa) {
#ifdef SAIN_HAVE_AVX2
  if (isa == Isa::kAvx512) return geglu_f32_avx512;
  if (isa >= Isa::kAvx2) return geglu_f32_avx2;
#endif
#ifdef SAIN_HAVE_NEON
  if (isa == Isa::kNeon) return geglu_f32_neon;
#endif
  (void)isa;
  return geglu_f32_scalar;
}

PlainActivation select_gelu(Isa isa) {
#ifdef SAIN_HAVE_AVX2
  if (isa == Isa::kAvx512) return gelu_f32_avx512;
  if (isa >= Isa::kAvx2) return gelu_f32_avx2;
#endif
#ifdef SAIN_HAVE_NEON
  if (isa == Isa::kNeon) return gelu_f32_neon;
#endif
  (void)isa;
  return gelu_f32_scalar;
}

}  // namespace sain::kernels
