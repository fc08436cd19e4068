// x (n) as f16 within +-65504.
//
// Bindings: 0 x, 1 y. An invocation does 4 elements: its grid is n / 4 / the workgroup's size.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "shaders/interface.h"

layout(local_size_x_id = 0) in;

layout(std430, binding = 0) readonly buffer X { vec4 x[]; };
layout(std430, binding = 1) writeonly buffer Y { uvec2 y[]; };
layout(push_constant) uniform Parameters { QuantizeParameters p; };

void main() {
  const uint i = gl_GlobalInvocationID.x;
  if (i * 4 >= p.n) return;
  const vec4 value = clamp(x[i], -65504, 65504);
  y[i] = uvec2(packHalf2x16(value.xy), packHalf2x16(value.zw));
}
