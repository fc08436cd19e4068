// The index of the greatest of n floats, the first of several; NaN never wins. In two dispatches: with kLast unset each
// workgroup finds the greatest of its share, with kLast set one workgroup finds the greatest of these, makes it the next
// token, and moves the state on.
//
// Bindings: 0 values (n), unless kLast, 1 pairs (workgroups of the first dispatch) of a value's bits and its index, written
// and then read, 2 tokens, 3 DecodeState, the last two only if kLast. n counts values, then pairs.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "shaders/interface.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool kLast = false;

layout(std430, binding = 0) readonly buffer Values { float values[]; };
layout(std430, binding = 1) buffer Pairs { uvec2 pairs[]; };
layout(std430, binding = 2) writeonly buffer Tokens { uint tokens[]; };
layout(std430, binding = 3) buffer State { DecodeState state; };
layout(push_constant) uniform Parameters { ArgmaxParameters p; };

shared float best_value[gl_WorkGroupSize.x];
shared uint best_index[gl_WorkGroupSize.x];

void main() {
  const uint thread = gl_LocalInvocationIndex;
  const float kNone = uintBitsToFloat(0xff800000u);  // -infinity
  float value = kNone;
  uint index = 0xffffffffu;
  const uint step = gl_WorkGroupSize.x * (kLast ? 1 : gl_NumWorkGroups.x);
  for (uint i = gl_GlobalInvocationID.x; i < p.n; i += step) {
    const float other = kLast ? uintBitsToFloat(pairs[i].x) : values[i];
    const uint other_index = kLast ? pairs[i].y : i;
    if (other > value || (other == value && other_index < index)) {
      value = other;
      index = other_index;
    }
  }
  best_value[thread] = value;
  best_index[thread] = index;
  barrier();
  for (uint n = gl_WorkGroupSize.x / 2; n > 0; n /= 2) {
    if (thread < n) {
      const float other = best_value[thread + n];
      const uint other_index = best_index[thread + n];
      if (other > best_value[thread] || (other == best_value[thread] && other_index < best_index[thread])) {
        best_value[thread] = other;
        best_index[thread] = other_index;
      }
    }
    barrier();
  }
  if (thread != 0) return;
  if (!kLast) {
    pairs[gl_WorkGroupID.x] = uvec2(floatBitsToUint(best_value[0]), best_index[0]);
    return;
  }
  const uint token = best_index[0] == 0xffffffffu ? 0 : best_index[0];
  tokens[0] = token;
  state.history[state.n_chosen % kHistory] = token;
  state.n_chosen += 1;
  state.position += p.n_tokens;
}
