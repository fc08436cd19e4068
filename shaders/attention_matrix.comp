// attention.comp for many tokens of a layer without sinks, with cooperative matrices of f16 that are summed in f32. It goes
// over the keys twice: for the greatest score of each token first, and then for weights and sums, which so need no
// correction on the way.
//
// Bindings: 0 DecodeState, 1 q as rope.comp leaves it, 2 cache, 3 out (n_tokens, q_dim) f16, with room for as many tokens as
// a multiple of 64 is. n_slots and the head's size are multiples of 16, and all of the cache is finite.
// A workgroup of 4 subgroups of 32 computes a head of 64 tokens: its grid is (n_heads, n_tokens / 64 rounded up). Each
// subgroup has 16 tokens, and two invocations one of these.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#include "shaders/interface.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint kHeadDim = 64;

layout(std430, binding = 0) readonly buffer State { DecodeState state; };
layout(std430, binding = 1) readonly buffer Q { vec4 q[]; };
layout(std430, binding = 2) readonly buffer Cache { uvec4 cache[]; };
layout(std430, binding = 3) writeonly buffer Out { uvec4 result[]; };
layout(push_constant) uniform Parameters { AttentionParameters p; };

#include "shaders/activation.glsl"
#include "shaders/cache.glsl"

const uint kKeys = 32, kSteps = kHeadDim / 16;
const float kNothing = -3.4e38;
const uint kQueryStride = kHeadDim / 8 + 1, kScoreStride = kKeys / 4 + 1, kWeightStride = kKeys / 8 + 1;  // in vectors
shared uvec4 queries[64 * kQueryStride];
shared vec4 scores[64 * kScoreStride];
shared uvec4 weights[64 * kWeightStride];

#define MATRIX(type, use) coopmat<type, gl_ScopeSubgroup, 16, 16, gl_MatrixUse##use>

uvec4 pack(vec4 low, vec4 high) {
  return uvec4(packHalf2x16(low.xy), packHalf2x16(low.zw), packHalf2x16(high.xy), packHalf2x16(high.zw));
}

void shared_barrier() {
  subgroupMemoryBarrierShared();
  subgroupBarrier();
}

/// Into this invocation's 16 scores: of its token with keys first_key + 16 (lane % 2) and on.
void load_scores(uint kv_head, uint first_key, uint first_row, uint position, out vec4 mine[4]) {
  [[unroll]] for (uint k = 0; k < kKeys / 16; ++k) {
    MATRIX(float, Accumulator) sum = MATRIX(float, Accumulator)(0.0);
    const uint key = key_at(kv_head, slot_of(first_key + k * 16)) / 8;
    [[unroll]] for (uint step = 0; step < kSteps; ++step) {
      MATRIX(float16_t, A) a;
      MATRIX(float16_t, B) b;
      coopMatLoad(a, queries, first_row * kQueryStride + step * 2, kQueryStride, gl_CooperativeMatrixLayoutRowMajor);
      coopMatLoad(b, cache, key + step * 2, kRow / 8, gl_CooperativeMatrixLayoutColumnMajor);
      sum = coopMatMulAdd(a, b, sum);
    }
    coopMatStore(sum, scores, first_row * kScoreStride + k * 4, kScoreStride, gl_CooperativeMatrixLayoutRowMajor);
  }
  shared_barrier();
  const uint lane = gl_SubgroupInvocationID, row = first_row + lane / 2;
  const uint begin = window_begin(position);
  [[unroll]] for (uint i = 0; i < 4; ++i) {
    mine[i] = scores[row * kScoreStride + lane % 2 * 4 + i];
    for (uint c = 0; c < 4; ++c) {
      const uint key = first_key + lane % 2 * 16 + i * 4 + c;
      mine[i][c] = key >= begin && key <= position ? soft_cap(mine[i][c], p.soft_cap) : kNothing;
    }
  }
  shared_barrier();
}

void main() {
  const uint thread = gl_LocalInvocationIndex, lane = gl_SubgroupInvocationID;
  const uint head = gl_WorkGroupID.x, kv_head = head / (p.n_heads / p.n_kv_heads);
  const uint first_token = gl_WorkGroupID.y * 64, first_row = gl_SubgroupID * 16;
  for (uint i = thread; i < 64 * kHeadDim / 8; i += 128) {
    const uint row = i / (kHeadDim / 8), c = i % (kHeadDim / 8);
    const uint at = ((min(first_token + row, p.n_tokens - 1) * p.n_heads + head) * kHeadDim + c * 8) / 4;
    queries[row * kQueryStride + c] = pack(p.scale * q[at], p.scale * q[at + 1]);
  }
  barrier();
  if (first_token + first_row >= p.n_tokens) return;

  // What any token of the subgroup sees, in whole blocks of 16 slots; and this invocation's token.
  const uint first_position = state.position + first_token + first_row;
  const uint last_position = min(first_position + 15, state.position + p.n_tokens - 1);
  const uint keys_begin = window_begin(first_position) / 16 * 16, keys_end = last_position + 1;
  const uint position = min(first_position + lane / 2, last_position);

  vec4 mine[4];
  float greatest = kNothing, total = 0;
  for (uint key = keys_begin; key < keys_end; key += kKeys) {
    load_scores(kv_head, key, first_row, position, mine);
    for (uint i = 0; i < 4; ++i) {
      for (uint c = 0; c < 4; ++c) greatest = max(greatest, mine[i][c]);
    }
  }
  greatest = max(greatest, subgroupShuffleXor(greatest, 1));

  MATRIX(float, Accumulator) sums[kSteps];
  [[unroll]] for (uint s = 0; s < kSteps; ++s) sums[s] = MATRIX(float, Accumulator)(0.0);
  for (uint key = keys_begin; key < keys_end; key += kKeys) {
    load_scores(kv_head, key, first_row, position, mine);
    [[unroll]] for (uint i = 0; i < 4; ++i) {
      mine[i] = exp(mine[i] - greatest);
      total += dot(mine[i], vec4(1));
    }
    const uint at = (first_row + lane / 2) * kWeightStride + lane % 2 * 2;
    weights[at] = pack(mine[0], mine[1]);
    weights[at + 1] = pack(mine[2], mine[3]);
    shared_barrier();
    [[unroll]] for (uint k = 0; k < kKeys / 16; ++k) {
      MATRIX(float16_t, A) a;
      coopMatLoad(a, weights, first_row * kWeightStride + k * 2, kWeightStride, gl_CooperativeMatrixLayoutRowMajor);
      const uint value = (key_at(kv_head, slot_of(key + k * 16)) + p.n_slots * kRow) / 8;
      [[unroll]] for (uint s = 0; s < kSteps; ++s) {
        MATRIX(float16_t, B) b;
        coopMatLoad(b, cache, value + s * 2, kRow / 8, gl_CooperativeMatrixLayoutRowMajor);
        sums[s] = coopMatMulAdd(a, b, sums[s]);
      }
    }
    shared_barrier();
  }
  total += subgroupShuffleXor(total, 1);

  const uint token = first_token + first_row + lane / 2;
  [[unroll]] for (uint s = 0; s < kSteps; ++s) {
    coopMatStore(sums[s], scores, first_row * kScoreStride, kScoreStride, gl_CooperativeMatrixLayoutRowMajor);
    shared_barrier();
    const uint at = (first_row + lane / 2) * kScoreStride + lane % 2 * 2;
    result[((token * p.n_heads + head) * kHeadDim + s * 16) / 8 + lane % 2] = pack(scores[at] / total, scores[at + 1] / total);
    shared_barrier();
  }
}
