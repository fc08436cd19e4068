// Attention of each token over the sinks and the window that it sees (kernels/attention/attention.h has the formula), with
// the softmax running online over blocks of positions, as in FlashAttention (arXiv 2205.14135, 2307.08691). Where there are
// several splits, each takes a part of the positions (Flash-Decoding), and attention_merge.comp brings them together.
//
// Bindings: 0 DecodeState, 1 q as rope.comp leaves it, 2 cache, 3 out (n_tokens, q_dim), or with kSplits > 1 parts
// (n_tokens, n_heads, kSplits, head_dim + 2): a sum without its division, the greatest score, the sum of weights.
// A workgroup computes kHeads query heads of one KV head, for a token: its grid is (n_heads / kHeads, n_tokens, kSplits);
// kHeads divides n_heads / n_kv_heads. Its size is at least half of a row, and a multiple of 4. Shared memory:
// 4 (kHeads (kRow * (kSinks ? 2 : 1) + size) + 4 size) bytes.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "shaders/interface.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint kHeadDim = 64;
layout(constant_id = 2) const uint kHeads = 1;
layout(constant_id = 3) const uint kSplits = 1;
layout(constant_id = 4) const bool kSinks = false;

layout(std430, binding = 0) readonly buffer State { DecodeState state; };
layout(std430, binding = 1) readonly buffer Q { float q[]; };
layout(std430, binding = 2) readonly buffer Keys { uvec4 keys[]; };  // the cache, in two ways
layout(std430, binding = 2) readonly buffer Values { uint values[]; };
layout(std430, binding = 3) writeonly buffer Out { float result[]; };
layout(push_constant) uniform Parameters { AttentionParameters p; };

#include "shaders/activation.glsl"
#include "shaders/cache.glsl"

const uint kBlock = gl_WorkGroupSize.x;  // positions: an invocation each
const float kNothing = -3.4e38;          // less than any score; no infinity, whose differences are NaN

shared vec4 queries[(kSinks ? 2 : 1) * kHeads * kRow / 4];  // times scale; again for the sinks
shared float weights[kHeads * kBlock];                      // first the scores
shared vec4 merging[kBlock];

void load_queries(uint first_head) {
  const uint n = kHeads * kRow / 4;
  for (uint i = gl_LocalInvocationIndex; i < (kSinks ? 2 : 1) * n; i += kBlock) {
    const uint set = i / n, h = i % n / (kRow / 4), column = i % (kRow / 4) * 4;
    const uint at = ((set * p.n_tokens + gl_WorkGroupID.y) * p.n_heads + first_head + h) * kHeadDim + column;
    vec4 part = vec4(0);
    for (uint c = 0; c < 4; ++c) {
      if (column + c < kHeadDim) part[c] = p.scale * q[at + c];
    }
    queries[i] = part;
  }
}

void main() {
  const uint thread = gl_LocalInvocationIndex;
  const uint first_head = gl_WorkGroupID.x * kHeads;
  const uint kv_head = first_head / (p.n_heads / p.n_kv_heads);
  const uint position = state.position + gl_WorkGroupID.y;
  // What the token sees: sinks, and the positions from `begin` on. This split's share of them is whole blocks.
  const uint n_sinks = kSinks ? min(p.n_sinks, position + 1) : 0;
  const uint begin = window_begin(position);
  const uint n_seen = n_sinks + position + 1 - begin;
  const uint share = (n_seen + kBlock * kSplits - 1) / (kBlock * kSplits) * kBlock;
  const uint share_begin = min(gl_WorkGroupID.z * share, n_seen), share_end = min(share_begin + share, n_seen);
  // For the sums, an invocation takes two columns of every n_subsets-th position.
  const uint n_pairs = kRow / 2, n_subsets = kBlock / n_pairs;
  const uint subset = thread / n_pairs, pair = thread % n_pairs;

  vec2 sums[kHeads];
  float totals[kHeads], greatest[kHeads];
  for (uint h = 0; h < kHeads; ++h) {
    sums[h] = vec2(0);
    totals[h] = 0;
    greatest[h] = kNothing;
  }
  load_queries(first_head);
  barrier();

  for (uint block = share_begin; block < share_end; block += kBlock) {
    const uint n = min(kBlock, share_end - block);
    float scores[kHeads];
    for (uint h = 0; h < kHeads; ++h) scores[h] = 0;
    if (thread < n) {
      const uint seen = block + thread;
      const bool is_sink = kSinks && seen < n_sinks;
      const uint key = key_at(kv_head, is_sink ? seen : slot_of(begin + seen - n_sinks)) / 8;
      const uint query = is_sink ? kHeads * kRow / 4 : 0;
      for (uint c = 0; c < kRow / 8; ++c) {
        const uvec4 word = keys[key + c];
        const vec4 low = vec4(unpackHalf2x16(word.x), unpackHalf2x16(word.y));
        const vec4 high = vec4(unpackHalf2x16(word.z), unpackHalf2x16(word.w));
        for (uint h = 0; h < kHeads; ++h) {
          const uint at = query + h * (kRow / 4) + c * 2;
          scores[h] += dot(queries[at], low) + dot(queries[at + 1], high);
        }
      }
    }
    for (uint h = 0; h < kHeads; ++h) {
      scores[h] = thread < n ? soft_cap(scores[h], p.soft_cap) : kNothing;
      weights[h * kBlock + thread] = scores[h];
    }
    barrier();
    float new_greatest[kHeads];
    for (uint h = 0; h < kHeads; ++h) {
      new_greatest[h] = greatest[h];
      for (uint i = 0; i < n; ++i) new_greatest[h] = max(new_greatest[h], weights[h * kBlock + i]);
    }
    barrier();
    for (uint h = 0; h < kHeads; ++h) {
      weights[h * kBlock + thread] = thread < n ? exp(scores[h] - new_greatest[h]) : 0;
      const float keep = exp(greatest[h] - new_greatest[h]);
      sums[h] *= keep;
      totals[h] *= keep;
      greatest[h] = new_greatest[h];
    }
    barrier();
    for (uint i = subset; subset < n_subsets && i < n; i += n_subsets) {
      const uint seen = block + i;
      const uint slot = kSinks && seen < n_sinks ? seen : slot_of(begin + seen - n_sinks);
      const vec2 value = unpackHalf2x16(values[(key_at(kv_head, slot) + p.n_slots * kRow) / 2 + pair]);
      for (uint h = 0; h < kHeads; ++h) {
        sums[h] += weights[h * kBlock + i] * value;
        totals[h] += weights[h * kBlock + i];
      }
    }
    barrier();
  }

  for (uint h = 0; h < kHeads; ++h) {
    merging[thread] = vec4(sums[h], totals[h], 0);
    barrier();
    if (thread < n_pairs) {
      vec4 sum = vec4(0);
      for (uint s = 0; s < n_subsets; ++s) sum += merging[s * n_pairs + thread];
      const uint row = gl_WorkGroupID.y * p.n_heads + first_head + h;
      const uint at = kSplits == 1 ? row * kHeadDim : (row * kSplits + gl_WorkGroupID.z) * (kHeadDim + 2);
      const float divisor = kSplits == 1 ? sum.z : 1;
      for (uint c = 0; c < 2; ++c) {
        if (2 * thread + c < kHeadDim) result[at + 2 * thread + c] = sum[c] / divisor;
      }
      if (kSplits != 1 && thread == 0) {
        result[at + kHeadDim] = greatest[h];
        result[at + kHeadDim + 1] = sum.z;
      }
    }
    barrier();
  }
}
