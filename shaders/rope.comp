// Between the product that makes q, k and v and attention: normalises the heads of q and k if kHeadNorm is set, turns them
// to their positions (kernels/rope/rope.h), and appends k and v to the cache, as f16 within +-65504.
//
// Bindings: 0 DecodeState, 1 qkv (n_tokens, q_dim + 2 kv_dim), 2 q (2, n_tokens, q_dim): turned for the window, and if
// kSinks is set once more as it meets the sinks (KvRule::place in engine/kv_prefix.h), 3 frequencies (rotary_dim / 2) as in
// angle.glsl, 4 cache, 5 weights of the norms of q and k (2, head_dim) if kHeadNorm.
// A workgroup does a head of q, k or v of a token: its grid is (n_heads + 2 n_kv_heads, n_tokens).
#version 450
#extension GL_GOOGLE_include_directive : require
#include "shaders/interface.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint kHeadDim = 64;
layout(constant_id = 2) const bool kAdjacent = false;  // pairs (2i, 2i + 1), else (i, i + rotary_dim / 2)
layout(constant_id = 3) const bool kHeadNorm = false;
layout(constant_id = 4) const bool kSinks = false;

layout(std430, binding = 0) readonly buffer State { DecodeState state; };
layout(std430, binding = 1) readonly buffer Qkv { float qkv[]; };
layout(std430, binding = 2) writeonly buffer Q { float q[]; };
layout(std430, binding = 3) readonly buffer Frequencies { uvec2 frequencies[]; };
layout(std430, binding = 4) writeonly buffer Cache { uint cache[]; };
layout(std430, binding = 5) readonly buffer HeadNorms { float head_norms[]; };
layout(push_constant) uniform Parameters { AttentionParameters p; };

#include "shaders/angle.glsl"
#include "shaders/cache.glsl"
#include "shaders/reduce.glsl"

shared float head[kRow], turned[kRow];

void load(uint at) {
  for (uint i = gl_LocalInvocationIndex; i < kRow; i += gl_WorkGroupSize.x) head[i] = i < kHeadDim ? qkv[at + i] : 0;
}

void normalise(uint weight) {
  float squares = 0;
  for (uint i = gl_LocalInvocationIndex; i < kHeadDim; i += gl_WorkGroupSize.x) squares += head[i] * head[i];
  const float scale = inversesqrt(sum_of_all(squares) / float(kHeadDim) + p.epsilon);
  for (uint i = gl_LocalInvocationIndex; i < kHeadDim; i += gl_WorkGroupSize.x) {
    head[i] *= scale * head_norms[weight * kHeadDim + i];
  }
  barrier();
}

/// Fills `turned` from `head`.
void turn(uint position) {
  for (uint i = gl_LocalInvocationIndex; i < p.rotary_dim / 2; i += gl_WorkGroupSize.x) {
    const uint a = kAdjacent ? 2 * i : i, b = kAdjacent ? a + 1 : i + p.rotary_dim / 2;
    const vec2 angle = p.magnitude * cos_sin(position, frequencies[i]);
    turned[a] = head[a] * angle.x - head[b] * angle.y;
    turned[b] = head[a] * angle.y + head[b] * angle.x;
  }
  for (uint i = p.rotary_dim + gl_LocalInvocationIndex; i < kRow; i += gl_WorkGroupSize.x) turned[i] = head[i];
  barrier();
}

void store_query(uint at) {
  for (uint i = gl_LocalInvocationIndex; i < kHeadDim; i += gl_WorkGroupSize.x) q[at + i] = turned[i];
  barrier();
}

void main() {
  const uint t = gl_WorkGroupID.y, position = state.position + t;
  const uint n_heads = p.n_heads + 2 * p.n_kv_heads;
  const uint h = gl_WorkGroupID.x;
  load((t * n_heads + h) * kHeadDim);
  barrier();
  const bool is_query = h < p.n_heads, is_value = h >= p.n_heads + p.n_kv_heads;
  if (kHeadNorm && !is_value) normalise(is_query ? 0 : 1);
  if (is_query) {
    const uint at = (t * p.n_heads + h) * kHeadDim;
    turn(position);
    store_query(at);
    if (!kSinks) return;
    turn(min(position, p.n_sinks + p.window - 1));
    store_query(p.n_tokens * p.n_heads * kHeadDim + at);
    return;
  }
  if (!is_value) turn(position);
  const uint kv_head = (h - p.n_heads) % p.n_kv_heads;
  const uint row = key_at(kv_head, slot_of(position)) + (is_value ? p.n_slots * kRow : 0);
  for (uint i = gl_LocalInvocationIndex; i < kRow / 2; i += gl_WorkGroupSize.x) {
    const vec2 pair = is_value ? vec2(head[2 * i], head[2 * i + 1]) : vec2(turned[2 * i], turned[2 * i + 1]);
    cache[row / 2 + i] = packHalf2x16(clamp(pair, -65504, 65504));
  }
}
