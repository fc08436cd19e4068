// The Walsh-Hadamard transform of rows, which spreads what stands out in one element over all of them: rounding to a
// few bits then costs less (QuaRot, arXiv 2404.00456, for keys after rope: section 4).
#pragma once

#include <stddef.h>

#include "kernels/isa.h"

namespace sain::kernels {

inline constexpr size_t kMaxHadamardBlock = 256;

/// The largest block that divides a row of n elements, n >= 1.
inline constexpr size_t hadamard_block(size_t n) {
  const size_t power = n & (~n + 1);
  return power < kMaxHadamardBlock ? power : kMaxHadamardBlock;
}

/// Replaces each `block` of the n floats x by H x, with H(i, j) = (-1)^(bits that i and j share) / sqrt(block):
/// symmetric, orthogonal, its own inverse. So inner products of rows stay as they are. `block` is a power of two, at
/// most kMaxHadamardBlock, that divides n; n may be 0. All versions give the same bits.
using Hadamard = void (*)(float* x, size_t n, size_t block);

Hadamard select_hadamard(Isa isa);

}  // namespace sain::kernels
