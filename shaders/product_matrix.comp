// product.comp for many tokens, with cooperative matrices of f16 that are summed in f32.
//
// Bindings: 0 weights, 1 x (n_tokens, cols) f16, 2 y (n_tokens, y_stride), which is f16 within +-65504 if kHalves, 3 bias
// (rows) if kBias. x and y have room for as many tokens as a multiple of a workgroup's is.
// A workgroup of 8 subgroups of 32 computes 128 rows, of gate and up alternating where kResult is kGated, for 32 kTokens
// tokens: its grid is (rows / 128, n_tokens / (32 kTokens)), both rounded up. Subgroups lie 4 along the rows, 32 for
// each, and 2 along the tokens. Columns are a multiple of 32 and go through shared memory 64 at a time.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_EXT_shader_16bit_storage : require
#include "shaders/interface.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint kTokens = 4;
layout(constant_id = 2) const uint kResult = kStore;
layout(constant_id = 3) const uint kActivation = kSilu;
layout(constant_id = 4) const bool kHalves = false;
layout(constant_id = 5) const bool kBias = false;

#include "shaders/activation.glsl"
#include "shaders/weights.glsl"

layout(std430, binding = 1) readonly buffer X { uvec4 x[]; };
layout(std430, binding = 2) buffer Y { float y[]; };
layout(std430, binding = 2) buffer Halves { float16_t halves_of_y[]; };
layout(std430, binding = 3) readonly buffer Bias { float bias[]; };
layout(push_constant) uniform Parameters { ProductParameters p; };

const uint kTileRows = 128, kTileTokens = 32 * kTokens;
const uint kSteps = 4;                // of 16 columns
const uint kStride = 2 * kSteps + 1;  // of a row of a tile, in 8 f16; odd, so that rows begin in different banks
shared uvec4 w_tile[kTileRows * kStride];
shared uvec4 x_tile[kTileTokens * kStride];

#define MATRIX(type, use) coopmat<type, gl_ScopeSubgroup, 16, 16, gl_MatrixUse##use>

uvec4 pack(vec4 low, vec4 high) {
  return uvec4(packHalf2x16(low.xy), packHalf2x16(low.zw), packHalf2x16(high.xy), packHalf2x16(high.zw));
}

void main() {
  const uint thread = gl_LocalInvocationIndex;
  const uint words = group_words(p.cols), n_groups = (p.rows + 15) / 16 * (kResult == kGated ? 2 : 1);
  const uint first_group = gl_WorkGroupID.x * 8, first_token = gl_WorkGroupID.y * kTileTokens;
  const uint subgroup_row = gl_SubgroupID % 4 * 2, subgroup_token = gl_SubgroupID / 4 * kTokens;  // in matrices

  MATRIX(float, Accumulator) sums[2][kTokens];
  [[unroll]] for (uint r = 0; r < 2; ++r) {
    [[unroll]] for (uint t = 0; t < kTokens; ++t) sums[r][t] = MATRIX(float, Accumulator)(0.0);
  }
  // An invocation's tile: 4 rows of 8 columns.
  const uint quad = thread % 4, part = thread / 4 % 4, block_of_two = thread / 16 % 2, tile_group = thread / 32;
  const uint group = min(first_group + tile_group, n_groups - 1) * words;

  const uint n_blocks = p.cols / 32;
  for (uint column = 0; column < p.cols; column += 16 * kSteps) {
    // Beyond the last column there are zeros.
    const uint block = column / 32 + block_of_two;
    const float is_there = block < n_blocks ? 1 : 0;
    Tile tile = load_tile(group, min(block, n_blocks - 1), part, quad);
    tile.scale *= is_there;
    tile.offset *= is_there;
    uvec4 tokens[kTokens];
    [[unroll]] for (uint i = 0; i < kTokens; ++i) {
      const uint token = i * 32 + thread / 8, c = column / 8 + thread % 8;
      tokens[i] = c < p.cols / 8 ? x[(first_token + token) * (p.x_stride / 8) + c] : uvec4(0);
    }
    barrier();
    [[unroll]] for (uint r = 0; r < 4; ++r) {
      w_tile[(tile_group * 16 + quad * 4 + r) * kStride + block_of_two * 4 + part] =
          pack(tile.scale[r] * tile.low[r] + tile.offset[r], tile.scale[r] * tile.high[r] + tile.offset[r]);
    }
    [[unroll]] for (uint i = 0; i < kTokens; ++i) x_tile[(i * 32 + thread / 8) * kStride + thread % 8] = tokens[i];
    barrier();
    [[unroll]] for (uint step = 0; step < kSteps; ++step) {
      MATRIX(float16_t, A) w[2];
      [[unroll]] for (uint r = 0; r < 2; ++r) {
        coopMatLoad(w[r], w_tile, (subgroup_row + r) * 16 * kStride + step * 2, kStride,
                    gl_CooperativeMatrixLayoutRowMajor);
      }
      [[unroll]] for (uint t = 0; t < kTokens; ++t) {
        MATRIX(float16_t, B) b;
        coopMatLoad(b, x_tile, (subgroup_token + t) * 16 * kStride + step * 2, kStride,
                    gl_CooperativeMatrixLayoutColumnMajor);
        [[unroll]] for (uint r = 0; r < 2; ++r) sums[r][t] = coopMatMulAdd(w[r], b, sums[r][t]);
      }
    }
  }

  [[unroll]] for (uint r = 0; r < (kResult == kGated ? 1 : 2); ++r) {
    const uint g = first_group + subgroup_row + r;
    if (g >= n_groups) return;
    const uint row = (kResult == kGated ? g / 2 : g) * 16;
    [[unroll]] for (uint t = 0; t < kTokens; ++t) {
      const uint at = (first_token + (subgroup_token + t) * 16) * p.y_stride + p.y_offset + row;
      MATRIX(float, Accumulator) sum = sums[r][t];
      if (kBias) {
        MATRIX(float, Accumulator) same;  // for each token
        coopMatLoad(same, bias, p.y_offset + row, 0, gl_CooperativeMatrixLayoutColumnMajor);
        sum = sum + same;
      }
      if (kResult == kAdd || kResult == kActivate) {
        MATRIX(float, Accumulator) before;
        coopMatLoad(before, y, at, p.y_stride, gl_CooperativeMatrixLayoutColumnMajor);
        [[unroll]] for (uint i = 0; i < sum.length(); ++i) {
          sum[i] = kResult == kAdd ? sum[i] + before[i] : sum[i] * activate(before[i], kActivation);
        }
      }
      if (kResult == kGated) {
        [[unroll]] for (uint i = 0; i < sum.length(); ++i) sum[i] = activate(sum[i], kActivation) * sums[1][t][i];
      }
      if (kHalves) {
        [[unroll]] for (uint i = 0; i < sum.length(); ++i) sum[i] = clamp(sum[i], -65504, 65504);
        coopMatStore(MATRIX(float16_t, Accumulator)(sum), halves_of_y, at, p.y_stride, gl_CooperativeMatrixLayoutColumnMajor);
      } else {
        coopMatStore(sum, y, at, p.y_stride, gl_CooperativeMatrixLayoutColumnMajor);
      }
    }
  }
}
