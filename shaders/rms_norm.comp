// y[t] = x[t] / sqrt(mean(x[t]^2) + epsilon) * weight (kernels/rms_norm/rms_norm.h), added to y if kAccumulate is set.
//
// Bindings: 0 x (n_tokens, n), 1 weight (n), 2 y (n_tokens, n), which is f16 within +-65504 if kHalves; n is even then. A workgroup computes a token: its grid is (n_tokens).
#version 450
#extension GL_GOOGLE_include_directive : require
#include "shaders/interface.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool kAccumulate = false;
layout(constant_id = 2) const bool kHalves = false;

#include "shaders/reduce.glsl"

layout(std430, binding = 0) readonly buffer X { float x[]; };
layout(std430, binding = 1) readonly buffer Weight { float weight[]; };
layout(std430, binding = 2) buffer Y { float y[]; };
layout(std430, binding = 2) writeonly buffer Halves { uint halves[]; };
layout(push_constant) uniform Parameters { NormParameters p; };

void main() {
  const uint row = gl_WorkGroupID.x * p.n;
  float squares = 0;
  for (uint i = gl_LocalInvocationIndex; i < p.n; i += gl_WorkGroupSize.x) squares += x[row + i] * x[row + i];
  const float scale = inversesqrt(sum_of_all(squares) / float(p.n) + p.epsilon);
  if (kHalves) {
    for (uint i = gl_LocalInvocationIndex; i < p.n / 2; i += gl_WorkGroupSize.x) {
      const vec2 value = vec2(x[row + 2 * i] * weight[2 * i], x[row + 2 * i + 1] * weight[2 * i + 1]) * scale;
      halves[row / 2 + i] = packHalf2x16(clamp(value, -65504, 65504));
    }
    return;
  }
  for (uint i = gl_LocalInvocationIndex; i < p.n; i += gl_WorkGroupSize.x) {
    const float value = x[row + i] * scale * weight[i];
    y[row + i] = kAccumulate ? y[row + i] + value : value;
  }
}
