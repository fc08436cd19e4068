// As attention.comp and attention_merge.comp together, for one token and with its result in 8 bits: kLanes invocations,
// neighbours of a subgroup, are a team that takes a position's key, and then its value, in pieces of 8 elements.
//
// Bindings: 0 DecodeState, 1 q as rope.comp leaves it, 2 cache, 3 parts (n_heads, kSplits, head_dim + 2) as attention.comp
// writes them, 4 counts (n_heads / kHeads), zeros before and after, 5 out (q_dim) in 8 bits.
// A workgroup computes kHeads query heads of one KV head: its grid is (n_heads / kHeads, 1, kSplits). Of the workgroups that
// have a part of the same heads, the one that ends last brings the parts together. kLanes is a power of two, at most a
// subgroup; head_dim is a multiple of 16, and at most 4 times a workgroup's size, as kSplits is at most that. Shared memory:
// 4 (kHeads (kRow (kSinks ? 2 : 1) + size + 3) + kRow size / kLanes + 2 kSplits + 1) bytes.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#include "shaders/interface.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint kHeadDim = 64;
layout(constant_id = 2) const uint kHeads = 1;
layout(constant_id = 3) const uint kSplits = 1;
layout(constant_id = 4) const bool kSinks = false;
layout(constant_id = 5) const uint kLanes = 4;

layout(std430, binding = 0) readonly buffer State { DecodeState state; };
layout(std430, binding = 1) readonly buffer Q { float q[]; };
layout(std430, binding = 2) readonly buffer Cache { uvec4 cache[]; };
layout(std430, binding = 3) coherent buffer Parts { float parts[]; };
layout(std430, binding = 4) coherent buffer Counts { uint counts[]; };
#define SAIN_NEXT 5
layout(push_constant) uniform Parameters { AttentionParameters p; };

#include "shaders/activation.glsl"
#include "shaders/cache.glsl"
#include "shaders/quantized.glsl"

const uint kBlock = gl_WorkGroupSize.x;  // positions
const uint kTeams = gl_WorkGroupSize.x / kLanes;
const uint kPieces = kRow / 8, kRounds = (kPieces + kLanes - 1) / kLanes;
const uint kLeastShare = 64;     // positions that a workgroup has, if there are as many
const float kNothing = -3.4e38;  // less than any score; no infinity, whose differences are NaN

shared vec4 queries[(kSinks ? 2 : 1) * kHeads * kRow / 4];  // times scale; again for the sinks
shared float weights[kHeads * kBlock];                      // first the scores
shared float greatest[kHeads], totals[kHeads], keeps[kHeads];
shared vec4 merging[kTeams * kRow / 4];
shared vec2 part_totals[kSplits];  // the greatest score, and the sum of weights
shared bool is_last;

void unpack(uvec4 word, out vec4 low, out vec4 high) {
  low = vec4(unpackHalf2x16(word.x), unpackHalf2x16(word.y));
  high = vec4(unpackHalf2x16(word.z), unpackHalf2x16(word.w));
}

/// What attention_merge.comp does, by the last workgroup of the heads.
void merge(uint first_head, uint n_parts) {
  memoryBarrierBuffer();
  barrier();
  if (gl_LocalInvocationIndex == 0) is_last = atomicAdd(counts[gl_WorkGroupID.x], 1) == n_parts - 1;
  barrier();
  if (!is_last) return;
  memoryBarrierBuffer();
  if (gl_LocalInvocationIndex == 0) counts[gl_WorkGroupID.x] = 0;
  const uint thread = gl_LocalInvocationIndex, stride = kHeadDim + 2;
  const uint n_quads = kHeadDim / 4, n_subsets = gl_WorkGroupSize.x / n_quads, subset = thread / n_quads;
  for (uint h = 0; h < kHeads; ++h) {
    const uint first = (first_head + h) * kSplits * stride;
    barrier();
    if (thread < n_parts) part_totals[thread] = vec2(parts[first + thread * stride + kHeadDim], parts[first + thread * stride + kHeadDim + 1]);
    barrier();
    float most = kNothing, total = 0;
    for (uint s = 0; s < n_parts; ++s) most = max(most, part_totals[s].x);
    for (uint s = 0; s < n_parts; ++s) total += exp(part_totals[s].x - most) * part_totals[s].y;
    vec4 sum = vec4(0);
    for (uint s = subset; s < n_parts && subset < n_subsets; s += n_subsets) {
      const uint at = first + s * stride + thread % n_quads * 4;
      sum += exp(part_totals[s].x - most) * vec4(parts[at], parts[at + 1], parts[at + 2], parts[at + 3]);
    }
    if (subset < n_subsets) merging[thread] = sum;
    barrier();
    if (subset != 0) continue;
    for (uint i = 1; i < n_subsets; ++i) sum += merging[i * n_quads + thread];
    store_quantized((first_head + h) * kHeadDim + thread * 4, sum / total, sum / total);
  }
}

void main() {
  const uint thread = gl_LocalInvocationIndex, lane = thread % kLanes, team = thread / kLanes;
  const uint first_head = gl_WorkGroupID.x * kHeads, kv_head = first_head / (p.n_heads / p.n_kv_heads);
  // What the token sees, and this split's share of it.
  const uint n_sinks = kSinks ? min(p.n_sinks, state.position + 1) : 0;
  const uint begin = window_begin(state.position);
  const uint n_seen = n_sinks + state.position + 1 - begin;
  const uint share = max((n_seen + kSplits - 1) / kSplits, kLeastShare), n_parts = (n_seen + share - 1) / share;
  if (gl_WorkGroupID.z >= n_parts) return;
  const uint share_begin = gl_WorkGroupID.z * share, share_end = min(share_begin + share, n_seen);

  for (uint i = thread; i < (kSinks ? 2 : 1) * kHeads * kRow; i += kBlock) {
    const uint set = i / (kHeads * kRow), h = i / kRow % kHeads, column = i % kRow;
    const uint at = ((set * p.n_tokens) * p.n_heads + first_head + h) * kHeadDim + column;
    queries[i / 4][i % 4] = column < kHeadDim ? p.scale * q[at] : 0;
  }
  if (thread < kHeads) {
    greatest[thread] = kNothing;
    totals[thread] = 0;
  }
  vec4 low_sums[kHeads * kRounds], high_sums[kHeads * kRounds];
  [[unroll]] for (uint i = 0; i < kHeads * kRounds; ++i) low_sums[i] = high_sums[i] = vec4(0);
  barrier();

  for (uint block = share_begin; block < share_end; block += kBlock) {
    const uint n = min(kBlock, share_end - block);
    // All invocations go round as often, since shuffles need their neighbours.
    for (uint first = 0; first < n; first += kTeams) {
      const uint i = min(first + team, n - 1), seen = block + i;
      const bool is_sink = kSinks && seen < n_sinks;
      const uint key = key_at(kv_head, is_sink ? seen : slot_of(begin + seen - n_sinks)) / 8;
      float scores[kHeads];
      [[unroll]] for (uint h = 0; h < kHeads; ++h) scores[h] = 0;
      [[unroll]] for (uint r = 0; r < kRounds; ++r) {
        const uint c = r * kLanes + lane;
        if (c >= kPieces) break;
        vec4 low, high;
        unpack(cache[key + c], low, high);
        [[unroll]] for (uint h = 0; h < kHeads; ++h) {
          const uint at = ((is_sink ? kHeads : 0) + h) * (kRow / 4) + c * 2;
          scores[h] += dot(queries[at], low) + dot(queries[at + 1], high);
        }
      }
      [[unroll]] for (uint h = 0; h < kHeads; ++h) {
        [[unroll]] for (uint m = 1; m < kLanes; m *= 2) scores[h] += subgroupShuffleXor(scores[h], m);
        if (lane == 0) weights[h * kBlock + i] = soft_cap(scores[h], p.soft_cap);
      }
    }
    barrier();
    for (uint h = gl_SubgroupID; h < kHeads; h += gl_NumSubgroups) {
      const float before = greatest[h];
      float most = before, total = 0;
      for (uint i = gl_SubgroupInvocationID; i < n; i += gl_SubgroupSize) most = max(most, weights[h * kBlock + i]);
      most = subgroupMax(most);
      for (uint i = gl_SubgroupInvocationID; i < n; i += gl_SubgroupSize) {
        const float weight = exp(weights[h * kBlock + i] - most);
        weights[h * kBlock + i] = weight;
        total += weight;
      }
      total = subgroupAdd(total);
      const float keep = exp(before - most);
      if (subgroupElect()) {
        keeps[h] = keep;
        totals[h] = totals[h] * keep + total;
        greatest[h] = most;
      }
    }
    barrier();
    [[unroll]] for (uint h = 0; h < kHeads; ++h) {
      [[unroll]] for (uint r = 0; r < kRounds; ++r) {
        low_sums[h * kRounds + r] *= keeps[h];
        high_sums[h * kRounds + r] *= keeps[h];
      }
    }
    for (uint i = team; i < n; i += kTeams) {
      const uint seen = block + i;
      const uint slot = kSinks && seen < n_sinks ? seen : slot_of(begin + seen - n_sinks);
      const uint value = (key_at(kv_head, slot) + p.n_slots * kRow) / 8;
      [[unroll]] for (uint r = 0; r < kRounds; ++r) {
        const uint c = r * kLanes + lane;
        if (c >= kPieces) break;
        vec4 low, high;
        unpack(cache[value + c], low, high);
        [[unroll]] for (uint h = 0; h < kHeads; ++h) {
          low_sums[h * kRounds + r] += weights[h * kBlock + i] * low;
          high_sums[h * kRounds + r] += weights[h * kBlock + i] * high;
        }
      }
    }
    barrier();
  }

  [[unroll]] for (uint h = 0; h < kHeads; ++h) {
    [[unroll]] for (uint r = 0; r < kRounds; ++r) {
      const uint c = r * kLanes + lane;
      if (c >= kPieces) break;
      merging[team * kRow / 4 + c * 2] = low_sums[h * kRounds + r];
      merging[team * kRow / 4 + c * 2 + 1] = high_sums[h * kRounds + r];
    }
    barrier();
    const uint at = ((first_head + h) * kSplits + gl_WorkGroupID.z) * (kHeadDim + 2);
    for (uint i = thread; i < kHeadDim; i += kBlock) {
      float sum = 0;
      for (uint t = 0; t < kTeams; ++t) sum += merging[t * kRow / 4 + i / 4][i % 4];
      parts[at + i] = sum;
    }
    if (thread == 0) {
      parts[at + kHeadDim] = greatest[h];
      parts[at + kHeadDim + 1] = totals[h];
    }
    barrier();
  }
  merge(first_head, n_parts);
}
