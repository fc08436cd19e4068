#include <math.h>

#include "kernels/rms_norm/versions.h"

namespace sain::kernels {

void rms_norm_f32_scalar(const float* x, const float* weight, float epsilon, float* y, size_t n) {
  constexpr size_t kLanes = 8;
  double lanes[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (size_t l = 0; l < kLanes; ++l) lanes[l] += static_cast<double>(x[i + l]) * static_cast<double>(x[i + l]);
  }
  double sum = 0;
  for (; i < n; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  for (const double lane : lanes) sum += lane;
  const float scale = static_cast<float>(1.0 / sqrt(sum / static_cast<double>(n) + static_cast<double>(epsilon)));
  for (i = 0; i < n; ++i) y[i] = x[i] * scale * weight[i];
}

}  // namespace sain::kernels
