// A token drawn from all of n logits as engine/sampler does it without top_k and top_p: min_p, temperature, and a number
// that the host has drawn, along the tokens in the order of their ids. Weights are whole numbers of 2^-40, so that their
// sums are exact and nothing depends on their order. In three dispatches, by kStage: each workgroup finds the greatest
// logit of its share; the sum of its share's weights; one workgroup finds the share in which the number lies, in it the
// token, and moves the state on. Infinities and NaN are never chosen; where there is nothing else, token 0 is.
//
// Bindings: 0 bits of logits (n), 1 parts (2, n_groups): turned greatest logits in x, then sums, 2 tokens, 3
// DecodeState, these two only in the last stage, 4 SamplingState. Workgroups are of at least n_groups.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "shaders/interface.h"
#include "shaders/sampling.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint kStage = 0;
const uint kGreatest = 0, kSum = 1;

layout(std430, binding = 0) readonly buffer Values { uint values[]; };
layout(std430, binding = 1) buffer Parts { uvec2 parts[]; };
layout(std430, binding = 2) writeonly buffer Tokens { uint tokens[]; };
layout(std430, binding = 3) buffer State { DecodeState state; };
layout(std430, binding = 4) readonly buffer Sampling { SamplingState sampling; };
layout(push_constant) uniform Parameters { SampleParameters p; };

shared uint greatest;  // turned
shared uvec2 sums[gl_WorkGroupSize.x];
shared uint chosen;  // the share, then the token
shared uvec2 left;   // of the number, from the beginning of the share on

// 64-bit numbers are the low half and the high half.

uvec2 sum_of(uvec2 a, uvec2 b) {
  uint carry;
  const uint low = uaddCarry(a.x, b.x, carry);
  return uvec2(low, a.y + b.y + carry);
}

uvec2 difference_of(uvec2 a, uvec2 b) {
  uint borrow;
  const uint low = usubBorrow(a.x, b.x, borrow);
  return uvec2(low, a.y - b.y - borrow);
}

bool is_less(uvec2 a, uvec2 b) {
  return a.y < b.y || (a.y == b.y && a.x < b.x);
}

/// a * b / 2^64
uvec2 high_product(uvec2 a, uvec2 b) {
  uvec2 ll, lh, hl, hh;
  umulExtended(a.x, b.x, ll.y, ll.x);
  umulExtended(a.x, b.y, lh.y, lh.x);
  umulExtended(a.y, b.x, hl.y, hl.x);
  umulExtended(a.y, b.y, hh.y, hh.x);
  const uvec2 middle = sum_of(sum_of(uvec2(ll.y, 0), uvec2(lh.x, 0)), uvec2(hl.x, 0));
  return sum_of(sum_of(hh, uvec2(middle.y, 0)), sum_of(uvec2(lh.y, 0), uvec2(hl.y, 0)));
}

/// A float in [0, 1] in units of 2^-40.
uvec2 fixed_point(float value) {
  const uint bits = floatBitsToUint(value), mantissa = (bits & 0x7fffffu) | 0x800000u;
  const int shift = int(bits >> 23) - 110;
  if (shift <= -24) return uvec2(0);
  if (shift <= 0) return uvec2(mantissa >> -shift, 0);
  return uvec2(mantissa << shift, mantissa >> (32 - shift));
}

uvec2 weight_of(uint i, float greatest_logit) {
  const uint logit = turned(values[i]);
  if (logit == 0) return uvec2(0);
  const float below = turned_back(logit) - greatest_logit;
  if (sampling.min_p > 0 && exp_nonpositive(below) < sampling.min_p) return uvec2(0);
  return fixed_point(exp_nonpositive(below / sampling.temperature));
}

/// The sum of the values of all invocations up to this one, also in `sums`.
uvec2 running_sum(uvec2 value) {
  const uint thread = gl_LocalInvocationIndex;
  barrier();  // the last call's sums have been read
  sums[thread] = value;
  barrier();
  for (uint n = 1; n < gl_WorkGroupSize.x; n *= 2) {
    if (thread >= n) value = sum_of(value, sums[thread - n]);
    barrier();
    sums[thread] = value;
    barrier();
  }
  return value;
}

void main() {
  const uint thread = gl_LocalInvocationIndex;
  if (thread == 0) {
    greatest = 0;
    chosen = 0;
  }
  barrier();
  if (kStage == kGreatest) {
    uint mine = 0;
    for (uint i = gl_GlobalInvocationID.x; i < p.n; i += gl_WorkGroupSize.x * p.n_groups) {
      mine = max(mine, turned(values[i]));
    }
    atomicMax(greatest, mine);
    barrier();
    if (thread == 0) parts[gl_WorkGroupID.x].x = greatest;
    return;
  }
  if (thread < p.n_groups) atomicMax(greatest, parts[thread].x);
  barrier();
  const float greatest_logit = turned_back(greatest);
  const uint share = (p.n + p.n_groups - 1) / p.n_groups;
  if (kStage == kSum) {
    const uint end = min(share * (gl_WorkGroupID.x + 1), p.n);
    uvec2 mine = uvec2(0);
    for (uint i = share * gl_WorkGroupID.x + thread; i < end; i += gl_WorkGroupSize.x) {
      mine = sum_of(mine, weight_of(i, greatest_logit));
    }
    running_sum(mine);
    if (thread == 0) parts[p.n_groups + gl_WorkGroupID.x] = sums[gl_WorkGroupSize.x - 1];
    return;
  }

  const uint position = state.position + p.n_tokens;  // the token's
  if (greatest != 0) {
    uvec2 mine = thread < p.n_groups ? parts[p.n_groups + thread] : uvec2(0);
    uvec2 after = running_sum(mine), before = difference_of(after, mine);
    const uint draw = position % kHistory * 2;
    const uvec2 target =
        high_product(uvec2(sampling.draws[draw + 1], sampling.draws[draw]), sums[gl_WorkGroupSize.x - 1]);
    if (!is_less(target, before) && is_less(target, after)) {
      chosen = thread;
      left = difference_of(target, before);
    }
    barrier();
    // The same in the share, of which each invocation has a part.
    const uint part = (share + gl_WorkGroupSize.x - 1) / gl_WorkGroupSize.x;
    const uint share_end = min(share * (chosen + 1), p.n), begin = share * chosen + part * thread;
    const uint end = min(begin + part, share_end);
    mine = uvec2(0);
    for (uint i = begin; i < end; ++i) mine = sum_of(mine, weight_of(i, greatest_logit));
    after = running_sum(mine);
    before = difference_of(after, mine);
    if (!is_less(left, before) && is_less(left, after)) {
      uvec2 rest = difference_of(left, before);
      for (uint i = begin; i < end; ++i) {
        const uvec2 weight = weight_of(i, greatest_logit);
        chosen = i;
        if (is_less(rest, weight)) break;
        rest = difference_of(rest, weight);
      }
    }
    barrier();
  }
  if (thread != 0) return;
  tokens[0] = chosen;
  if (p.n_tokens > 0) state.n_chosen += 1;
  state.history[(state.n_chosen - 1) % kHistory] = chosen;
  state.position = position;
}
