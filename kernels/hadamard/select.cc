#include "kernels/hadamard/hadamard.h"
#include "kernels/hadamard/versions.h"

namespace sain::kernels {

Hadamard select_hadamard(Isa isa) {
#ifdef SAIN_HAVE_AVX2
  if (isa == Isa::kAvx512) return hadamard_avx512;
  if (isa >= Isa::kAvx2) return hadamard_avx2;
#endif
#ifdef SAIN_HAVE_NEON
  if (isa == Isa::kNeon) return hadamard_neon;
#endif
  (void)isa;
  return hadamard_scalar;
}

}  // namespace sain::kernels
