#include "kernels/gemm_packed/gemm_packed.h"
#include "kernels/gemm_packed/versions.h"

namespace sain::kernels {

/// The last one that a machine runs is its choice. An experiment stands first: only SAIN_KERNEL=NAME takes it.
GemmPackedVersions gemm_packed_versions() {
  static const GemmPackedVersion versions[] = {
      {"scalar", Isa::kScalar, kGemmPackedScalar},
#ifdef SAIN_HAVE_AVX2
      {"avx2", Isa::kAvx2, kGemmPackedAvx2},       {"avx_vnni", Isa::kAvxVnni, kGemmPackedAvxVnni},
      {"avx512", Isa::kAvx512, kGemmPackedAvx512},
#endif
#ifdef SAIN_HAVE_NEON
      {"neon", Isa::kNeon, kGemmPackedNeon},
#endif
  };
  return {versions, sizeof(versions) / sizeof(versions[0])};
}

GemmPacked select_gemm_packed(Isa isa) {
  const GemmPackedVersion* best = nullptr;
  for (const GemmPackedVersion& version : gemm_packed_versions()) {
    if (version.isa > isa || detect_isa(version.isa) != version.isa) continue;
    if (is_wanted(version.name)) return version.kernels;
    best = &version;
  }
  return best->kernels;
}

size_t default_read_ahead() {
#ifdef SAIN_HAVE_AVX2
  // Intel's prefetchers stay close to a stream: on Sapphire Rapids, decode of a 1B in Q4_0 makes 33 tokens/s on 2
  // threads and 88 on 8 without help, 47 and 139 with 4 KiB of it. AMD's run ahead by themselves: on Zen 4 the same
  // costs 7 to 19 %.
  if (__builtin_cpu_is("intel")) return 4096;
#endif
  return 0;
}

}  // namespace sain::kernels
