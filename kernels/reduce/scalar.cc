#include <math.h>
#include <stddef.h>

#include "kernels/reduce/versions.h"
#include "kernels/simd/exp.h"

namespace sain::kernels {

size_t reduce_argmax_f32_scalar(const float* x, size_t n) {
  float greatest = -INFINITY;
  size_t index = 0;
  for (size_t i = 0; i < n; ++i) {
    if (x[i] > greatest && x[i] < INFINITY) {
      greatest = x[i];
      index = i;
    }
  }
  return index;
}

float reduce_max_f32_scalar(const float* x, size_t n) {
  float greatest = -INFINITY;
  for (size_t i = 0; i < n; ++i) {
    if (x[i] > greatest) greatest = x[i];
  }
  return greatest;
}

size_t reduce_find_above_f32_scalar(const float* x, size_t begin, size_t n, float threshold) {
  for (size_t i = begin; i < n; ++i) {
    if (x[i] > threshold) return i;
  }
  return n;
}

double reduce_exp_sum_f32_scalar(const float* x, float shift, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += static_cast<double>(exp_f32(x[i] - shift));
  return sum;
}

}  // namespace sain::kernels
