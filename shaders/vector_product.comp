// y[r] = sum over k of w[r][k] x[k] (+ bias[r]) for one x in 8 bits, and that again in 8 bits for the next product.
//
// What x is normalised with (kernels/rms_norm/rms_norm.h) its writer has left in its blocks: where kNorm is set, sums are
// divided by the root of the mean of the squares there. And so does this shader where kQuantize is set: a workgroup's 16
// rows are a block of `next`, times next_weight if kWeighted.
//
// Bindings: 0 weights, 1 x, 2 y, 3 bias (rows) if kBias, 4 next_weight (rows) if kWeighted, 5 next if kQuantize. y is
// left alone where kResult is kGated and kQuantize is set. A workgroup computes a group of 16 rows.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#include "shaders/interface.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint kColumns = 32;
layout(constant_id = 2) const bool kNorm = false;
layout(constant_id = 3) const bool kBias = false;
layout(constant_id = 4) const uint kResult = kStore;
layout(constant_id = 5) const uint kActivation = kSilu;
layout(constant_id = 6) const bool kQuantize = false;
layout(constant_id = 7) const bool kWeighted = false;

#include "shaders/activation.glsl"
#define SAIN_NEXT 5
#include "shaders/quantized.glsl"
#include "shaders/weights.glsl"
#include "shaders/dot.glsl"

layout(std430, binding = 1) readonly buffer X { uvec2 x[]; };
layout(std430, binding = 2) buffer Y { float y[]; };
layout(std430, binding = 3) readonly buffer Bias { float bias[]; };
layout(std430, binding = 4) readonly buffer NextWeight { vec4 next_weight[]; };
layout(push_constant) uniform Parameters { VectorProductParameters p; };

const uint kTiles = 4;  // under way

// Four of each subgroup, which has 8 invocations at least.
shared vec4 partial[gl_WorkGroupSize.x / 2], partial_up[gl_WorkGroupSize.x / 2];
shared float partial_squares[gl_WorkGroupSize.x / 2];

/// Over a subgroup's invocations of the same quad.
vec4 sum_of_quad(vec4 x) {
  for (uint n = 4; n < gl_SubgroupSize; n *= 2) x += subgroupShuffleXor(x, n);
  return x;
}

void main() {
  const uint thread = gl_LocalInvocationIndex;
  const uint quad = thread % 4, part = thread / 4 % 4;
  const uint words = group_words(kColumns);
  const uint group = gl_WorkGroupID.x * words * (kResult == kGated ? 2 : 1);
  vec4 sum = vec4(0), up_sum = vec4(0);
  // What is needed at the end is asked for now, so that it is there by then.
  const uint row = gl_WorkGroupID.x * kGroupRows + quad * 4, first_row = p.first_row + row;
  vec4 before = vec4(0), next_weights = vec4(1);
  float squares = 0;
  if (thread < 4) {
    if (kResult == kAdd || kResult == kActivate) {
      [[unroll]] for (uint r = 0; r < 4; ++r) before[r] = row + r < p.rows ? y[p.y_offset + row + r] : 0;
    }
    if (kWeighted) next_weights = next_weight[first_row / 4];
  }
  if (kNorm) {
    for (uint i = thread; i < kColumns / kQuantizedBlock; i += gl_WorkGroupSize.x) squares += uintBitsToFloat(x[i * 3 + 2].y);
  }
  // Several tiles at once: their loads are under way together. Beyond the last one it is that again, times 0.
  const uint n_blocks = kColumns / 32, step = gl_WorkGroupSize.x / 16;
  for (uint first = thread / 16; first < n_blocks; first += step * kTiles) {
    Packed tiles[kTiles], ups[kTiles];
    uvec2 codes[kTiles];
    float scales[kTiles];
    [[unroll]] for (uint i = 0; i < kTiles; ++i) {
      const uint block = min(first + i * step, n_blocks - 1);
      tiles[i] = load_packed(group, block, part, quad);
      if (kResult == kGated) ups[i] = load_packed(group + words, block, part, quad);
      const uint at = (block * 2 + part / 2) * 3;  // of the block of x, in uvec2
      codes[i] = x[at + part % 2];
      scales[i] = first + i * step < n_blocks ? uintBitsToFloat(x[at + 2].x) : 0;
    }
    [[unroll]] for (uint i = 0; i < kTiles; ++i) {
      sum += multiply(codes_of(tiles[i]), codes[i], scales[i]);
      if (kResult == kGated) up_sum += multiply(codes_of(ups[i]), codes[i], scales[i]);
    }
  }
  if (kNorm) squares = subgroupAdd(squares);
  sum = sum_of_quad(sum);
  if (kResult == kGated) up_sum = sum_of_quad(up_sum);
  if (gl_SubgroupInvocationID < 4) {
    const uint at = gl_SubgroupID * 4 + gl_SubgroupInvocationID;
    partial[at] = sum;
    if (kResult == kGated) partial_up[at] = up_sum;
    if (kNorm) partial_squares[at] = squares;
  }
  barrier();
  if (gl_SubgroupID != 0) return;
  sum = up_sum = vec4(0);
  squares = 0;
  for (uint i = thread; i < 4 * gl_NumSubgroups; i += gl_SubgroupSize) {
    sum += partial[i];
    if (kResult == kGated) up_sum += partial_up[i];
    if (kNorm && i % 4 == 0) squares += partial_squares[i];
  }
  sum = sum_of_quad(sum);
  if (kResult == kGated) up_sum = sum_of_quad(up_sum);
  if (kNorm) squares = subgroupAdd(squares);
  if (thread >= 4) return;

  if (kNorm) {
    const float scale = inversesqrt(squares / float(kColumns) + p.epsilon);
    sum *= scale;
    up_sum *= scale;
  }
  [[unroll]] for (uint r = 0; r < 4; ++r) {
    if (row + r >= p.rows) break;
    const uint at = p.y_offset + row + r;
    if (kBias) sum[r] += bias[at];
    if (kResult == kAdd) sum[r] += before[r];
    if (kResult == kGated) sum[r] = activate(sum[r], kActivation) * up_sum[r];
    if (kResult == kActivate) sum[r] *= activate(before[r], kActivation);
    sum[r] = soft_cap(sum[r], p.soft_cap);
    if (kResult != kGated || !kQuantize) y[at] = sum[r];
  }
  if (kQuantize) store_quantized(first_row, sum, sum * next_weights);
}
