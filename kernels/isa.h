// The instruction sets that kernels are written for, and which of them this machine runs.
#pragma once

namespace sain::kernels {

/// A stronger one stands after a weaker. kNeon is that of 64-bit ARM with the dot-product extension (ARMv8.2 and
/// later; older processors run kScalar). kAvxVnni is AVX2 with products of 8-bit integers summed in 32 bits; kAvx512
/// has them in 512 bits, and its processors need not have those of kAvxVnni.
enum class Isa { kAuto, kScalar, kNeon, kAvx2, kAvxVnni, kAvx512 };

/// All but kAuto, the weakest first.
inline constexpr Isa kIsas[] = {Isa::kScalar, Isa::kNeon, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512};

/// The best instruction set of this machine, capped by `cap` (kAuto: no cap) and by the environment variable
/// SAIN_ISA (a name of isa_name). A cap that this machine does not run is ignored. Never kAuto.
Isa detect_isa(Isa cap = Isa::kAuto);

/// The same without any cap: what this machine is.
Isa best_isa();

/// Whether the environment variable SAIN_KERNEL asks for a version of an operator by this name: for experiments that
/// are not the best one yet.
bool is_wanted(const char* version);

const char* isa_name(Isa isa);  // "scalar", "avx2", ...

}  // namespace sain::kernels
