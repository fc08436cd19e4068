#include "kernels/rms_norm/rms_norm.h"
#include "kernels/rms_norm/versions.h"

namespace sain::kernels {

RmsNorm select_rms_norm(Isa isa) {
#ifdef SAIN_HAVE_AVX2
  if (isa == Isa::kAvx512) return rms_norm_f32_avx512;
  if (isa >= Isa::kAvx2) return rms_norm_f32_avx2;
#endif
  (void)isa;
  return rms_norm_f32_scalar;
}

}  // namespace sain::kernels
