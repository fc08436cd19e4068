// Rotary position embedding (arXiv 2104.09864): each pair of a head's first rotary_dim elements turns by an angle.
#pragma once

#include <stddef.h>

#include "kernels/isa.h"

namespace sain::kernels {

/// Rotates `n_heads` heads of head_dim floats each, in place. cos_sin holds rotary_dim / 2 pairs (cos, sin) for the
/// position; rotary_dim is even. Elements from rotary_dim on stay as they are. All versions give the same bits.
using RopeFn = void (*)(float* heads, size_t n_heads, size_t head_dim, const float* cos_sin, size_t rotary_dim);

struct Rope {
  RopeFn adjacent;  // pair i is (2i, 2i + 1)
  RopeFn halves;    // pair i is (i, i + rotary_dim / 2)
};

Rope select_rope(Isa isa);

}  // namespace sain::kernels
