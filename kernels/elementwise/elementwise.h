// Operations on each element of an array.
#pragma once

#include <stddef.h>

#include "kernels/isa.h"

namespace sain::kernels {

/// n may be 0. All versions give the same bits.
struct Elementwise {
  void (*add)(const float* x, float* y, size_t n);  // y[i] += x[i]; x may be y
  void (*scale)(float factor, float* y, size_t n);  // y[i] *= factor
};

Elementwise select_elementwise(Isa isa);

}  // namespace sain::kernels
