// One number of an array: what sampling asks of the logits of a vocabulary.
#pragma once

#include <stddef.h>

#include "kernels/isa.h"

namespace sain::kernels {

struct Reduce {
  /// The index of the greatest finite x, the lowest one on ties; 0 where none is finite. All versions agree.
  size_t (*argmax)(const float* x, size_t n);

  /// The greatest x, NaN left aside; -infinity where there is none. All versions agree.
  float (*max)(const float* x, size_t n);

  /// The lowest index from `begin` on whose x is greater than `threshold`, which NaN never is; n where there is none.
  size_t (*find_above)(const float* x, size_t begin, size_t n, float threshold);

  /// sum_i e^(x[i] - shift), for shift no less than any x, summed in double: a relative error below 2e-7 plus that of
  /// the subtractions. NaN if an x is.
  double (*exp_sum)(const float* x, float shift, size_t n);
};

Reduce select_reduce(Isa isa);

}  // namespace sain::kernels
