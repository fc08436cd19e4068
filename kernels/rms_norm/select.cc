#include "kernels/rms_norm/rms_norm.h"
#include "kernels/rms_norm/versions.h"

namespace sain::kernels {

RmsNorm select_rms_norm(Isa isa) {
#ifdef SAIN_HAVE_AVX2
  if (isa == Isa::kAvx512) return rms_norm_f32_avx512;
  if (isa >= Isa::kAvx2) return rms_norm_f32_avx2;
#endif
#ifdef SAIN_HAVE_NEON
  if (isa == Isa::kNeon) return rms_norm_f32_neon;
#endif
  (void)isa;
  return rms_norm_f32_scalar;
}

}  // namespace sain::kernels
