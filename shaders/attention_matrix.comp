// attention.comp for many tokens of a layer without sinks, with cooperative matrices of f16 that are summed in f32, and a
// softmax that goes on from block to block of keys (FlashAttention-2, arXiv 2307.08691, section 3.1).
//
// Bindings: 0 DecodeState, 1 q as rope.comp leaves it, 2 cache, 3 out (n_tokens, q_dim) f16, with room for as many tokens as
// a multiple of 64 is. The head's size is a multiple of 16, and all of the cache is finite.
// A workgroup of 2 or 4 subgroups of 32 computes a head of 16 tokens a subgroup, two invocations one of these: its grid is
// (n_heads, n_tokens / so many rounded up). Keys and values come through shared memory, the next ones asked for meanwhile.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_KHR_shader_subgroup_vote : require
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

const uint kTokens = gl_WorkGroupSize.x / 2, kSubgroups = gl_WorkGroupSize.x / 32;
const uint kKeys = kHeadDim > 128 ? 16 : 32, kSteps = kHeadDim / 16;
const float kNothing = -3.4e38;
const uint kStride = kHeadDim / 8 + 1, kScoreStride = kKeys / 4 + 1, kWeightStride = kKeys / 8 + 1;  // in vectors
const uint kVectors = kKeys * kHeadDim / 8, kEach = (kVectors + gl_WorkGroupSize.x - 1) / gl_WorkGroupSize.x;
shared uvec4 queries[kTokens * kStride];
shared uvec4 keys[kKeys * kStride];
shared uvec4 values[kKeys * kStride];
// Of each subgroup: scores, and when these have been read weights and what the sums are corrected by.
const uint kScalesAt = 16 * kWeightStride, kScratch = 16 * kScoreStride > kScalesAt + 64 ? 16 * kScoreStride : kScalesAt + 64;
shared uvec4 scratch[kSubgroups * kScratch];

#define MATRIX(type, use) coopmat<type, gl_ScopeSubgroup, 16, 16, gl_MatrixUse##use>

uint thread = gl_LocalInvocationIndex, lane = gl_SubgroupInvocationID;

uvec4 pack(vec4 low, vec4 high) {
  return uvec4(packHalf2x16(low.xy), packHalf2x16(low.zw), packHalf2x16(high.xy), packHalf2x16(high.zw));
}

void shared_barrier() {
  subgroupMemoryBarrierShared();
  subgroupBarrier();
}

/// What this invocation brings of the keys from first_key on, and their values.
void ask(uint kv_head, uint first_key, out uvec4 key_parts[kEach], out uvec4 value_parts[kEach]) {
  [[unroll]] for (uint n = 0; n < kEach; ++n) {
    const uint i = min(thread + n * gl_WorkGroupSize.x, kVectors - 1);
    const uint at = key_at(kv_head, slot_of(first_key + i / (kHeadDim / 8))) / 8 + i % (kHeadDim / 8);
    key_parts[n] = cache[at];
    value_parts[n] = cache[at + p.n_slots * kRow / 8];
  }
}

void main() {
  const uint head = gl_WorkGroupID.x, kv_head = head / (p.n_heads / p.n_kv_heads);
  // Those that see most begin first.
  const uint first_token = (gl_NumWorkGroups.y - 1 - gl_WorkGroupID.y) * kTokens, first_row = gl_SubgroupID * 16;
  const uint last_token = min(first_token + kTokens, p.n_tokens) - 1;
  const uint keys_begin = window_begin(state.position + first_token), keys_end = state.position + last_token + 1;
  uvec4 key_parts[kEach], value_parts[kEach];
  ask(kv_head, keys_begin, key_parts, value_parts);
  for (uint i = thread; i < kTokens * kHeadDim / 8; i += gl_WorkGroupSize.x) {
    const uint row = i / (kHeadDim / 8), c = i % (kHeadDim / 8);
    const uint at = ((min(first_token + row, last_token) * p.n_heads + head) * kHeadDim + c * 8) / 4;
    queries[row * kStride + c] = pack(p.scale * q[at], p.scale * q[at + 1]);
  }

  // What any token of the subgroup sees, and this invocation's token.
  const bool is_idle = first_token + first_row > last_token;
  const uint first_position = state.position + first_token + first_row;
  const uint last_position = min(first_position + 15, keys_end - 1), subgroup_begin = window_begin(first_position);
  const uint position = min(first_position + lane / 2, last_position), begin = window_begin(position);
  const uint scratch_at = gl_SubgroupID * kScratch;

  float greatest = kNothing, total = 0;
  MATRIX(float, Accumulator) sums[kSteps];
  [[unroll]] for (uint s = 0; s < kSteps; ++s) sums[s] = MATRIX(float, Accumulator)(0.0);
  [[dont_unroll]] for (uint first_key = keys_begin; first_key < keys_end; first_key += kKeys) {
    barrier();  // those before have been used
    [[unroll]] for (uint n = 0; n < kEach; ++n) {
      const uint i = thread + n * gl_WorkGroupSize.x, at = i / (kHeadDim / 8) * kStride + i % (kHeadDim / 8);
      if (i < kVectors) {
        keys[at] = key_parts[n];
        values[at] = value_parts[n];
      }
    }
    barrier();
    if (first_key + kKeys < keys_end) ask(kv_head, first_key + kKeys, key_parts, value_parts);
    if (is_idle || first_key > last_position || first_key + kKeys <= subgroup_begin) continue;

    [[unroll]] for (uint k = 0; k < kKeys / 16; ++k) {
      MATRIX(float, Accumulator) sum = MATRIX(float, Accumulator)(0.0);
      [[unroll]] for (uint step = 0; step < kSteps; ++step) {
        MATRIX(float16_t, A) a;
        MATRIX(float16_t, B) b;
        coopMatLoad(a, queries, first_row * kStride + step * 2, kStride, gl_CooperativeMatrixLayoutRowMajor);
        coopMatLoad(b, keys, k * 16 * kStride + step * 2, kStride, gl_CooperativeMatrixLayoutColumnMajor);
        sum = coopMatMulAdd(a, b, sum);
      }
      coopMatStore(sum, scratch, scratch_at + k * 4, kScoreStride, gl_CooperativeMatrixLayoutRowMajor);
    }
    shared_barrier();
    vec4 mine[kKeys / 8];  // of this invocation's token with half of the keys
    float most = greatest;
    [[unroll]] for (uint i = 0; i < kKeys / 8; ++i) {
      mine[i] = uintBitsToFloat(scratch[scratch_at + lane / 2 * kScoreStride + lane % 2 * (kKeys / 8) + i]);
      [[unroll]] for (uint c = 0; c < 4; ++c) {
        const uint key = first_key + lane % 2 * (kKeys / 2) + i * 4 + c;
        mine[i][c] = key >= begin && key <= position ? soft_cap(mine[i][c], p.soft_cap) : kNothing;
        most = max(most, mine[i][c]);
      }
    }
    most = max(most, subgroupShuffleXor(most, 1));
    const float keep = exp(greatest - most);
    greatest = most;
    total *= keep;
    shared_barrier();
    [[unroll]] for (uint i = 0; i < kKeys / 8; i += 2) {
      mine[i] = exp(mine[i] - most);
      mine[i + 1] = exp(mine[i + 1] - most);
      total += dot(mine[i] + mine[i + 1], vec4(1));
      scratch[scratch_at + lane / 2 * kWeightStride + lane % 2 * (kKeys / 16) + i / 2] = pack(mine[i], mine[i + 1]);
    }
    const bool is_kept = subgroupAll(keep == 1);
    if (!is_kept) {
      const uint at = scratch_at + kScalesAt + lane * 2;
      scratch[at] = floatBitsToUint(vec4(keep));
      scratch[at + 1] = floatBitsToUint(vec4(keep));
    }
    shared_barrier();
    if (!is_kept) {
      MATRIX(float, Accumulator) scales;
      coopMatLoad(scales, scratch, scratch_at + kScalesAt, 4, gl_CooperativeMatrixLayoutRowMajor);
      [[unroll]] for (uint s = 0; s < kSteps; ++s) sums[s] = sums[s] * scales;
    }
    [[unroll]] for (uint k = 0; k < kKeys / 16; ++k) {
      MATRIX(float16_t, A) a;
      coopMatLoad(a, scratch, scratch_at + k * 2, kWeightStride, gl_CooperativeMatrixLayoutRowMajor);
      [[unroll]] for (uint s = 0; s < kSteps; ++s) {
        MATRIX(float16_t, B) b;
        coopMatLoad(b, values, k * 16 * kStride + s * 2, kStride, gl_CooperativeMatrixLayoutRowMajor);
        sums[s] = coopMatMulAdd(a, b, sums[s]);
      }
    }
    shared_barrier();
  }
  if (is_idle) return;
  total += subgroupShuffleXor(total, 1);

  const uint token = first_token + first_row + lane / 2;
  [[unroll]] for (uint s = 0; s < kSteps; ++s) {
    coopMatStore(sums[s], scratch, scratch_at, 4, gl_CooperativeMatrixLayoutRowMajor);
    shared_barrier();
    const vec4 low = uintBitsToFloat(scratch[scratch_at + lane * 2]), high = uintBitsToFloat(scratch[scratch_at + lane * 2 + 1]);
    result[((token * p.n_heads + head) * kHeadDim + s * 16) / 8 + lane % 2] = pack(low / total, high / total);
    shared_barrier();
  }
}
