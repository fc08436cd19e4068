#include "kernels/gemm_packed/gemm_packed.h"
#include "kernels/gemm_packed/versions.h"

namespace sain::kernels {
namespace {

#ifdef SAIN_HAVE_AVX2
/// Intel's prefetchers stay close to a stream: on Sapphire Rapids, decode of a 1B in Q4_0 makes 33 tokens/s on 2
/// threads and 88 on 8 without help, 47 and 139 with 4 KiB of it. AMD's run ahead by themselves: on Zen 4 the same
/// costs 7 to 19 %.
size_t suitable_read_ahead() {
  return __builtin_cpu_is("intel") ? 4096 : 0;
}
#endif

}  // namespace

GemmPacked select_gemm_packed(Isa isa) {
  GemmPacked chosen = kGemmPackedScalar;
#ifdef SAIN_HAVE_AVX2
  if (isa == Isa::kAvx2) chosen = kGemmPackedAvx2;
  if (isa == Isa::kAvxVnni) chosen = kGemmPackedAvxVnni;
  if (isa == Isa::kAvx512) chosen = kGemmPackedAvx512;
  chosen.read_ahead = suitable_read_ahead();
#endif
#ifdef SAIN_HAVE_NEON
  if (isa == Isa::kNeon) chosen = kGemmPackedNeon;
#endif
  (void)isa;
  return chosen;
}

}  // namespace sain::kernels
