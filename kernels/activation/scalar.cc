#include <math.h>

#include "kernels/activation/versions.h"

namespace sain::kernels {

void swiglu_f32_scalar(const float* gate, const float* up, float* out, size_t n) {
  for (size_t i = 0; i < n; ++i) out[i] = gate[i] / (1.0f + expf(-gate[i])) * up[i];
}

void geglu_f32_scalar(const float* gate, const float* up, float* out, size_t n) {
  constexpr float kSqrt2OverPi = 0.7978845608028654f;
  for (size_t i = 0; i < n; ++i) {
    const float x = gate[i];
    out[i] = 0.5f * x * (1.0f + tanhf(kSqrt2OverPi * (x + 0.044715f * x * x * x))) * up[i];
  }
}

void gelu_f32_scalar(const float* x, float* out, size_t n) {
  for (size_t i = 0; i < n; ++i) out[i] = 0.5f * x[i] * (1.0f + erff(x[i] * 0.7071067811865475f));
}

}  // namespace sain::kernels
