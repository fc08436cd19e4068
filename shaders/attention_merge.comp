// Brings the kSplits parts of attention.comp together: out = sum of parts, each times e^(its greatest score - the greatest
// of all), over the sum of its weights times the same.
//
// Bindings: 0 parts (n_tokens, n_heads, kSplits, head_dim + 2), 1 out (n_tokens, n_heads, head_dim). A workgroup does a
// head of a token: its grid is (n_heads, n_tokens).
#version 450
#extension GL_GOOGLE_include_directive : require
#include "shaders/interface.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint kHeadDim = 64;
layout(constant_id = 2) const uint kSplits = 1;

layout(std430, binding = 0) readonly buffer Parts { float parts[]; };
layout(std430, binding = 1) writeonly buffer Out { float result[]; };
layout(push_constant) uniform Parameters { AttentionParameters p; };

void main() {
  const uint row = gl_WorkGroupID.y * p.n_heads + gl_WorkGroupID.x;
  const uint first = row * kSplits * (kHeadDim + 2), stride = kHeadDim + 2;
  float greatest = parts[first + kHeadDim];
  for (uint s = 1; s < kSplits; ++s) greatest = max(greatest, parts[first + s * stride + kHeadDim]);
  for (uint i = gl_LocalInvocationIndex; i < kHeadDim; i += gl_WorkGroupSize.x) {
    float sum = 0, total = 0;
    for (uint s = 0; s < kSplits; ++s) {
      const uint part = first + s * stride;
      const float weight = exp(parts[part + kHeadDim] - greatest);
      sum += weight * parts[part + i];
      total += weight * parts[part + kHeadDim + 1];
    }
    result[row * kHeadDim + i] = sum / total;
  }
}
