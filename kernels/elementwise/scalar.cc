#include <stddef.h>

#include "kernels/elementwise/versions.h"

namespace sain::kernels {

void elementwise_add_f32_scalar(const float* x, float* y, size_t n) {
  for (size_t i = 0; i < n; ++i) y[i] += x[i];
}

void elementwise_scale_f32_scalar(float factor, float* y, size_t n) {
  for (size_t i = 0; i < n; ++i) y[i] *= factor;
}

}  // namespace sain::kernels
