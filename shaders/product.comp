// y[t][r] = sum over k of w[r][k] x[t][k] (+ bias[r]), where x is first normalised (kernels/rms_norm/rms_norm.h) if
// kNorm is set. The norm costs nothing: a row's sum is scaled when it is complete, and the sum of squares is taken in the
// same pass.
//
// Bindings: 0 weights, 1 x, 2 y, 3 the norm's weight (cols) if kNorm, 4 bias (rows) if kBias. y aliases no other.
// A workgroup computes a group of 16 rows for kTokens tokens: its grid is (groups, tokens / kTokens rounded up). A token
// that is not there repeats the last one.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "shaders/interface.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint kTokens = 1;
layout(constant_id = 2) const bool kNorm = false;
layout(constant_id = 3) const bool kBias = false;
layout(constant_id = 4) const uint kResult = kStore;
layout(constant_id = 5) const uint kActivation = kSilu;

#include "shaders/activation.glsl"
#include "shaders/reduce.glsl"
#include "shaders/weights.glsl"

layout(std430, binding = 1) readonly buffer X { vec4 x[]; };
layout(std430, binding = 2) buffer Y { float y[]; };
layout(std430, binding = 3) readonly buffer NormWeight { vec4 norm_weight[]; };
layout(std430, binding = 4) readonly buffer Bias { float bias[]; };
layout(push_constant) uniform Parameters { ProductParameters p; };

/// The products of a tile with 8 elements of x, a row a component.
vec4 multiply(Tile tile, vec4 low, vec4 high) {
  const vec4 codes = vec4(dot(tile.low[0], low) + dot(tile.high[0], high), dot(tile.low[1], low) + dot(tile.high[1], high),
                          dot(tile.low[2], low) + dot(tile.high[2], high), dot(tile.low[3], low) + dot(tile.high[3], high));
  return tile.scale * codes + tile.offset * (dot(low, vec4(1)) + dot(high, vec4(1)));
}

void main() {
  const uint thread = gl_LocalInvocationIndex;
  const uint quad = thread % 4, part = thread / 4 % 4;
  const uint first_token = gl_WorkGroupID.y * kTokens;
  const uint words = group_words(p.cols);
  const uint group = gl_WorkGroupID.x * words * (kResult == kGated ? 2 : 1);
  vec4 sums[kTokens], up_sums[kTokens];
  float squares[kTokens];
  for (uint t = 0; t < kTokens; ++t) {
    sums[t] = up_sums[t] = vec4(0);
    squares[t] = 0;
  }

  for (uint block = thread / 16; block * 32 < p.cols; block += gl_WorkGroupSize.x / 16) {
    const uint column = block * 32 + part * 8;
    if (column >= p.cols) continue;
    const bool has_high = column + 4 < p.cols;
    const Tile tile = load_tile(group, block, part, quad);
    Tile up;
    if (kResult == kGated) up = load_tile(group + words, block, part, quad);
    for (uint t = 0; t < kTokens; ++t) {
      const uint at = (min(first_token + t, p.n_tokens - 1) * p.x_stride + column) / 4;
      vec4 low = x[at], high = has_high ? x[at + 1] : vec4(0);
      if (kNorm) {
        squares[t] += dot(low, low) + dot(high, high);
        low *= norm_weight[column / 4];
        if (has_high) high *= norm_weight[column / 4 + 1];
      }
      sums[t] += multiply(tile, low, high);
      if (kResult == kGated) up_sums[t] += multiply(up, low, high);
    }
  }

  for (uint t = 0; t < kTokens; ++t) {
    vec4 sum = sum_of_quads(sums[t]), up_sum = vec4(0);
    if (kResult == kGated) up_sum = sum_of_quads(up_sums[t]);
    if (kNorm) {
      // The four quads have each seen all of x.
      const float scale = inversesqrt(sum_of_quads(vec4(squares[t])).x / float(p.cols) + p.epsilon);
      sum *= scale;
      up_sum *= scale;
    }
    const uint token = first_token + t;
    if (thread >= 4 || token >= p.n_tokens) continue;
    for (uint r = 0; r < 4; ++r) {
      const uint row = gl_WorkGroupID.x * kGroupRows + quad * 4 + r;
      if (row >= p.rows) break;
      const uint at = token * p.y_stride + p.y_offset + row;
      float value = sum[r];
      if (kBias) value += bias[p.y_offset + row];
      if (kResult == kAdd) value += y[at];
      if (kResult == kGated) value = activate(value, kActivation) * up_sum[r];
      if (kResult == kActivate) value *= activate(y[at], kActivation);
      y[at] = soft_cap(value, p.soft_cap);
    }
  }
}
