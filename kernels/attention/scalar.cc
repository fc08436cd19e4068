#include <math.h>
#include <stdint.h>
#include <string.h>

#include "kernels/attention/attention.h"
#include "kernels/attention/versions.h"
#include "kernels/half.h"

namespace sain::kernels {
namespace {

inline float to_float(float x) {
  return x;
}
inline float to_float(uint16_t x) {
  return half_to_float(x);
}

template <class T>
float dot(const float* query, const T* key, size_t n) {
  constexpr size_t kLanes = 8;
  float lanes[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (size_t l = 0; l < kLanes; ++l) lanes[l] += query[i + l] * to_float(key[i + l]);
  }
  float sum = 0;
  for (; i < n; ++i) sum += query[i] * to_float(key[i]);
  for (const float lane : lanes) sum += lane;
  return sum;
}

template <class T>
void attention(const AttentionArgs& args) {
  const T* keys = static_cast<const T*>(args.keys);
  const T* values = static_cast<const T*>(args.values);
  for (size_t p = 0; p < args.n; ++p) args.scores[p] = dot(args.query, keys + p * args.stride, args.head_dim);
  attention_softmax(args);
  memset(args.out, 0, args.head_dim * sizeof(float));
  for (size_t p = 0; p < args.n; ++p) {
    const float weight = args.scores[p];
    const T* value = values + p * args.stride;
    for (size_t i = 0; i < args.head_dim; ++i) args.out[i] += weight * to_float(value[i]);
  }
}

}  // namespace

void attention_softmax(const AttentionArgs& args) {
  float largest = -INFINITY;
  for (size_t p = 0; p < args.n; ++p) {
    float score = args.scores[p] * args.scale;
    if (args.soft_cap != 0) score = args.soft_cap * tanhf(score / args.soft_cap);
    args.scores[p] = score;
    if (score > largest) largest = score;
  }
  double sum = 0;
  for (size_t p = 0; p < args.n; ++p) {
    args.scores[p] = expf(args.scores[p] - largest);
    sum += static_cast<double>(args.scores[p]);
  }
  const float inverse = static_cast<float>(1.0 / sum);
  for (size_t p = 0; p < args.n; ++p) args.scores[p] *= inverse;
}

void attention_f32_scalar(const AttentionArgs& args) {
  attention<float>(args);
}
void attention_f16_scalar(const AttentionArgs& args) {
  attention<uint16_t>(args);
}

void attention_store_f16_scalar(const float* x, void* out, size_t n) {
  constexpr float kLargest = 65504.0f;
  uint16_t* halves = static_cast<uint16_t*>(out);
  for (size_t i = 0; i < n; ++i) {
    // Not fminf and fmaxf: these would make a number of NaN.
    const float from_below = x[i] < -kLargest ? -kLargest : x[i];
    halves[i] = float_to_half(from_below > kLargest ? kLargest : from_below);
  }
}

}  // namespace sain::kernels
