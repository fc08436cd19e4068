#include <math.h>

#include "kernels/layer_norm/versions.h"

namespace sain::kernels {

void layer_norm_f32_scalar(const float* x, const float* weight, const float* bias, float epsilon, float* y, size_t n) {
  double sum = 0, squares = 0;
  for (size_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]);
  const float mean = static_cast<float>(sum / static_cast<double>(n));
  for (size_t i = 0; i < n; ++i) {
    const double deviation = static_cast<double>(x[i] - mean);
    squares += deviation * deviation;
  }
  const float scale = static_cast<float>(1.0 / sqrt(squares / static_cast<double>(n) + static_cast<double>(epsilon)));
  for (size_t i = 0; i < n; ++i) y[i] = (x[i] - mean) * scale * weight[i] + bias[i];
}

}  // namespace sain::kernels
