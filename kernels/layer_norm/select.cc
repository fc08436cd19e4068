#include "kernels/layer_norm/layer_norm.h"
#include "kernels/layer_norm/versions.h"

namespace sain::kernels {

LayerNorm select_layer_norm(Isa isa) {
#ifdef SAIN_HAVE_AVX2
  if (isa == Isa::kAvx512) return layer_norm_f32_avx512;
  if (isa >= Isa::kAvx2) return layer_norm_f32_avx2;
#endif
#ifdef SAIN_HAVE_NEON
  if (isa == Isa::kNeon) return layer_norm_f32_neon;
#endif
  (void)isa;
  return layer_norm_f32_scalar;
}

}  // namespace sain::kernels
