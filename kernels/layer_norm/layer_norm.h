// Layer normalisation (arXiv 1607.06450).
#pragma once

#include <stddef.h>

#include "kernels/isa.h"

namespace sain::kernels {

/// y[i] = (x[i] - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon) * weight[i] + bias[i] for i < n. y may be x. n >= 1.
using LayerNorm = void (*)(const float* x, const float* weight, const float* bias, float epsilon, float* y, size_t n);

LayerNorm select_layer_norm(Isa isa);

}  // namespace sain::kernels
