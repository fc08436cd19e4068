#include "kernels/gemm_packed/gemm_packed.h"
#include "kernels/gemm_packed/versions.h"

namespace sain::kernels {

GemmPacked select_gemm_packed(Isa isa) {
#ifdef SAIN_HAVE_AVX2
  if (isa == Isa::kAvx512) return kGemmPackedAvx512;
  if (isa == Isa::kAvx2) return kGemmPackedAvx2;
#endif
  (void)isa;
  return kGemmPackedScalar;
}

}  // namespace sain::kernels
