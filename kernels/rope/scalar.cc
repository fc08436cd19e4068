#include <stddef.h>

#include "kernels/rope/versions.h"

namespace sain::kernels {
namespace {

inline void rotate(float& a, float& b, float cos, float sin) {
  const float turned = a * cos - b * sin;
  b = a * sin + b * cos;
  a = turned;
}

}  // namespace

void rope_adjacent_f32_scalar(float* heads, size_t n_heads, size_t head_dim, const float* cos_sin, size_t rotary_dim) {
  for (size_t h = 0; h < n_heads; ++h) {
    float* head = heads + h * head_dim;
    for (size_t i = 0; i < rotary_dim; i += 2) rotate(head[i], head[i + 1], cos_sin[i], cos_sin[i + 1]);
  }
}

void rope_halves_f32_scalar(float* heads, size_t n_heads, size_t head_dim, const float* cos_sin, size_t rotary_dim) {
  const size_t half = rotary_dim / 2;
  for (size_t h = 0; h < n_heads; ++h) {
    float* head = heads + h * head_dim;
    for (size_t i = 0; i < half; ++i) rotate(head[i], head[i + half], cos_sin[2 * i], cos_sin[2 * i + 1]);
  }
}

}  // namespace sain::kernels
