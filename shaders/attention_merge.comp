// Brings the kSplits parts of attention.comp together: out = sum of parts, each times e^(its greatest score - the greatest
// of all), over the sum of its weights times the same.
//
// Bindings: 0 parts (n_tokens, n_heads, kSplits, head_dim + 2), 1 out (n_tokens, n_heads, head_dim), in 8 bits with
// SAIN_QUANTIZE, where head_dim is a multiple of 16. A workgroup does a head of a token: its grid is (n_heads, n_tokens).
#version 450
#extension GL_GOOGLE_include_directive : require
#include "shaders/interface.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint kHeadDim = 64;
layout(constant_id = 2) const uint kSplits = 1;

layout(std430, binding = 0) readonly buffer Parts { float parts[]; };
#ifdef SAIN_QUANTIZE
#define SAIN_NEXT 1
#include "shaders/quantized.glsl"
#else
layout(std430, binding = 1) writeonly buffer Out { float result[]; };
#endif
layout(push_constant) uniform Parameters { AttentionParameters p; };

void main() {
  const uint row = gl_WorkGroupID.y * p.n_heads + gl_WorkGroupID.x;
  const uint first = row * kSplits * (kHeadDim + 2), stride = kHeadDim + 2;
  float greatest = parts[first + kHeadDim];
  for (uint s = 1; s < kSplits; ++s) greatest = max(greatest, parts[first + s * stride + kHeadDim]);
#ifdef SAIN_QUANTIZE
  const uint first_column = gl_LocalInvocationIndex * 4, n_columns = 4;
#else
  const uint first_column = gl_LocalInvocationIndex, n_columns = 1;
#endif
  for (uint i = first_column; i < kHeadDim; i += gl_WorkGroupSize.x * n_columns) {
    vec4 sum = vec4(0);
    float total = 0;
    for (uint s = 0; s < kSplits; ++s) {
      const uint part = first + s * stride;
      const float weight = exp(parts[part + kHeadDim] - greatest);
      for (uint c = 0; c < n_columns; ++c) sum[c] += weight * parts[part + i + c];
      total += weight * parts[part + kHeadDim + 1];
    }
#ifdef SAIN_QUANTIZE
    store_quantized(row * kHeadDim + i, sum / total, sum / total);
#else
    result[row * kHeadDim + i] = sum.x / total;
#endif
  }
}
