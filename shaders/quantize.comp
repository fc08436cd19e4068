// x (n) in 8 bits, times a weight if kWeighted is set.
//
// Bindings: 0 x, 1 weight (n) if kWeighted, 2 next. An invocation does 4 elements: its grid is n / 4 / the workgroup's size.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "shaders/interface.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool kWeighted = false;

layout(std430, binding = 0) readonly buffer X { vec4 x[]; };
layout(std430, binding = 1) readonly buffer Weight { vec4 weight[]; };
#define SAIN_NEXT 2
#include "shaders/quantized.glsl"
layout(push_constant) uniform Parameters { QuantizeParameters p; };

void main() {
  const uint i = gl_GlobalInvocationID.x;
  if (i * 4 >= p.n) return;
  store_quantized(i * 4, x[i], kWeighted ? x[i] * weight[i] : x[i]);
}
