#include "kernels/dequantize/dequantize.h"
#include "kernels/dequantize/versions.h"

namespace sain::kernels {

DequantizeTable select_dequantize(Isa isa) {
#ifdef SAIN_HAVE_AVX2
  if (isa >= Isa::kAvx2) return kDequantizeAvx2;
#endif
  (void)isa;
  return kDequantizeScalar;
}

}  // namespace sain::kernels
