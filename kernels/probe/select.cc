#include "kernels/probe/probe.h"
#include "kernels/probe/versions.h"

namespace sain::kernels {

Probe select_probe(Isa isa) {
#ifdef SAIN_HAVE_AVX2
  // Reads of 64 bytes are no faster than pairs of 32: memory is the limit.
  if (isa == Isa::kAvx512) return {probe_read_avx2, probe_multiply_int8_avx512, kProbeMacsAvx512};
  if (isa == Isa::kAvxVnni) return {probe_read_avx2, probe_multiply_int8_avx_vnni, kProbeMacsAvxVnni};
  if (isa >= Isa::kAvx2) return {probe_read_avx2, probe_multiply_int8_avx2, kProbeMacsAvx2};
#endif
#ifdef SAIN_HAVE_NEON
  if (isa == Isa::kNeon) return {probe_read_neon, probe_multiply_int8_neon, kProbeMacsNeon};
#endif
  (void)isa;
  return {probe_read_scalar, probe_multiply_int8_scalar, kProbeMacsScalar};
}

}  // namespace sain::kernels
