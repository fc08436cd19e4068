// Activations of the feed-forward block, gated (GLU variants, arXiv 2002.05202) and plain.
#pragma once

#include <stddef.h>

#include "kernels/isa.h"

namespace sain::kernels {

/// out[i] = f(gate[i]) * up[i] for i < n. out may be gate or up.
using GatedActivation = void (*)(const float* gate, const float* up, float* out, size_t n);

/// swiglu: f(x) = x / (1 + exp(-x))
GatedActivation select_swiglu(Isa isa);
/// geglu: f(x) = x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))), the tanh form of GELU (arXiv 1606.08415)
GatedActivation select_geglu(Isa isa);

/// out[i] = f(x[i]) for i < n. out may be x.
using PlainActivation = void (*)(const float* x, float* out, size_t n);

/// gelu: f(x) = x / 2 * (1 + erf(x / sqrt(2))), exactly (arXiv 1606.08415), to 2e-7 |x|
PlainActivation select_gelu(Isa isa);

}  // namespace sain::kernels
