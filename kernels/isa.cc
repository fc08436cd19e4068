#include "kernels/isa.h"

#ifdef SAIN_HAVE_AVX2
#include <cpuid.h>
#endif
#ifdef SAIN_HAVE_NEON
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif
#include <stdlib.h>
#include <string.h>

namespace sain::kernels {
namespace {

#ifdef SAIN_HAVE_AVX2
/// CPUID leaf 7, sub-leaf 1: clang 14's __builtin_cpu_supports does not know it.
bool has_avx_vnni() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax >> 4 & 1) != 0;
}
#endif

bool machine_runs(Isa isa) {
#ifdef SAIN_HAVE_AVX2
  // F16C, which clang 14 cannot ask for, is older than AVX2 and in every processor that has that.
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (isa == Isa::kAvx2) return avx2;
  if (isa == Isa::kAvxVnni) return avx2 && has_avx_vnni();
  if (isa == Isa::kAvx512) {
    return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vnni");
  }
#endif
#ifdef SAIN_HAVE_NEON
  if (isa == Isa::kNeon) return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#endif
  return isa == Isa::kScalar;
}

}  // namespace

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::kAuto:
      return "auto";
    case Isa::kScalar:
      return "scalar";
    case Isa::kNeon:
      return "neon";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvxVnni:
      return "avx_vnni";
    case Isa::kAvx512:
      return "avx512";
  }
  return "?";
}

Isa best_isa() {
  Isa best = Isa::kScalar;
  for (const Isa isa : kIsas) {
    if (machine_runs(isa)) best = isa;
  }
  return best;
}

Isa detect_isa(Isa cap) {
  Isa chosen = best_isa();
  if (cap < chosen && machine_runs(cap)) chosen = cap;
  if (const char* name = getenv("SAIN_ISA")) {
    for (const Isa isa : kIsas) {
      if (strcmp(name, isa_name(isa)) == 0 && isa < chosen && machine_runs(isa)) chosen = isa;
    }
  }
  return chosen;
}

bool is_wanted(const char* version) {
  const char* name = getenv("SAIN_KERNEL");
  return name != nullptr && strcmp(name, version) == 0;
}

}  // namespace sain::kernels
