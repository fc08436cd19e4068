#include "kernels/isa.h"

#include <stdlib.h>
#include <string.h>

namespace sain::kernels {
namespace {

constexpr Isa kNamed[] = {Isa::kScalar, Isa::kNeon, Isa::kAvx2, Isa::kAvx512};

Isa machine_isa() {
#ifdef SAIN_HAVE_AVX2
  // F16C, which clang 14 cannot ask for, is older than AVX2 and in every processor that has that.
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vnni");
  if (avx2) return avx512 ? Isa::kAvx512 : Isa::kAvx2;
#endif
  return Isa::kScalar;
}

/// Whether a machine whose best set is `best` also runs `isa`.
bool runs(Isa best, Isa isa) {
  return isa == Isa::kScalar || isa == best || (best == Isa::kAvx512 && isa == Isa::kAvx2);
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
    case Isa::kAvx512:
      return "avx512";
  }
  return "?";
}

Isa detect_isa(Isa cap) {
  const Isa best = machine_isa();
  Isa chosen = cap != Isa::kAuto && runs(best, cap) ? cap : best;
  if (const char* name = getenv("SAIN_ISA")) {
    for (const Isa isa : kNamed) {
      if (strcmp(name, isa_name(isa)) == 0 && runs(chosen, isa)) chosen = isa;
    }
  }
  return chosen;
}

}  // namespace sain::kernels
