// Root-mean-square normalisation (arXiv 1910.07467).
#pragma once

#include <stddef.h>

#include "kernels/isa.h"

namespace sain::kernels {

/// y[i] = x[i] / sqrt(mean(x^2) + epsilon) * weight[i] for i < n. y may be x. n >= 1.
using RmsNorm = void (*)(const float* x, const float* weight, float epsilon, float* y, size_t n);

RmsNorm select_rms_norm(Isa isa);

}  // namespace sain::kernels
