// The instruction sets that kernels are written for, and which of them this machine runs.
#pragma once

namespace sain::kernels {

enum class Isa { kAuto, kScalar, kNeon, kAvx2, kAvx512 };

/// The best instruction set of this machine, capped by `cap` (kAuto: no cap) and by the environment variable
/// SAIN_ISA (scalar, neon, avx2 or avx512; anything else is ignored). Never kAuto.
Isa detect_isa(Isa cap = Isa::kAuto);

const char* isa_name(Isa isa);  // "scalar", "avx2", ...

}  // namespace sain::kernels
