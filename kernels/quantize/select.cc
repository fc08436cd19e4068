#include "kernels/quantize/quantize.h"
#include "kernels/quantize/versions.h"

namespace sain::kernels {

QuantizePanel select_quantize(Isa isa) {
#ifdef SAIN_HAVE_AVX2
  if (isa >= Isa::kAvx2) return quantize_panel_avx2;
#endif
#ifdef SAIN_HAVE_NEON
  if (isa == Isa::kNeon) return quantize_panel_neon;
#endif
  (void)isa;
  return quantize_panel_scalar;
}

}  // namespace sain::kernels
