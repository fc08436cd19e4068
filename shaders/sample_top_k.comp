// A token drawn from n logits as engine/sampler does it with top_k > 0: top_k, top_p, min_p, temperature, and a number
// that the host has drawn. In two dispatches: with kLast unset each workgroup finds the top_k first of its share in rank
// order, which is the greater logit first and of equals the lower id; with kLast set one workgroup finds the top_k first of
// these, chooses the next token, and moves the state on. Infinities and NaN are never chosen; where there is nothing else,
// token 0 is.
//
// Bindings: 0 bits of logits (n), unless kLast, 1 keys (n_groups, top_k), written and then read, 2 tokens, 3 DecodeState,
// these two only if kLast, 4 SamplingState. Workgroups are of at least kMostTopK.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "shaders/interface.h"
#include "shaders/sampling.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool kLast = false;

layout(std430, binding = 0) readonly buffer Values { uint values[]; };
layout(std430, binding = 1) buffer Keys { uvec2 keys[]; };
layout(std430, binding = 2) writeonly buffer Tokens { uint tokens[]; };
layout(std430, binding = 3) buffer State { DecodeState state; };
layout(std430, binding = 4) readonly buffer Sampling { SamplingState sampling; };
layout(push_constant) uniform Parameters { SampleParameters p; };

const uint kKeyBits = 64;
shared uint n_reaching[kKeyBits];  // keys that reach the bound which was tried for this bit
shared uint n_found;
shared uvec2 found[kMostTopK];   // in any order
shared uvec2 ranked[kMostTopK];  // in rank order
shared float sums[gl_WorkGroupSize.x];
shared uint counts[4];

/// Of rank order: the greater key is the one before. x is the logit, turned, y tells its token. 0 where it can never be
/// chosen.
uvec2 key_of(uint i) {
  if (kLast) return keys[i];
  const uint logit = turned(values[i]);
  return logit != 0 ? uvec2(logit, ~i) : uvec2(0);
}

bool reaches(uvec2 key, uvec2 bound) {
  return key.x > bound.x || (key.x == bound.x && key.y >= bound.y);
}

/// The k-th key of n, or 0 where fewer than k can be chosen. Its bits one after another, the highest first: each is set
/// if k keys reach what it then is. Where it is just k they are found, and the other bits need not be.
uvec2 bound_of(uint n, uint k, uint first, uint step) {
  uvec2 bound = uvec2(0);
  for (uint bit = kKeyBits; bit-- > 0;) {
    const uvec2 trial = bound | (bit >= 32 ? uvec2(1u << (bit - 32), 0) : uvec2(0, 1u << bit));
    uint n_mine = 0;
    for (uint i = first; i < n; i += step) n_mine += uint(reaches(key_of(i), trial));
    if (n_mine > 0) atomicAdd(n_reaching[bit], n_mine);
    barrier();
    const uint n_all = n_reaching[bit];
    if (n_all >= k) bound = trial;
    if (n_all == k) break;
  }
  return bound;
}

/// The sum of the values of all invocations up to this one, of those below kMostTopK.
float running_sum(float value) {
  const uint thread = gl_LocalInvocationIndex;
  barrier();  // the last call's sums have been read
  sums[thread] = value;
  barrier();
  for (uint n = 1; n < kMostTopK; n *= 2) {
    if (thread >= n) value += sums[thread - n];
    barrier();
    sums[thread] = value;
    barrier();
  }
  return value;
}

/// Invocations of which it is true; `i`: of this call among all.
uint count_of(uint i, bool is_true) {
  if (is_true) atomicAdd(counts[i], 1);
  barrier();
  return counts[i];
}

/// The candidates are the first n > 0 of `ranked`, of which each step leaves fewer; an invocation looks at the one of its
/// own index.
uint choose(uint n, float draw) {
  const uint thread = gl_LocalInvocationIndex;
  const float greatest = turned_back(ranked[0].x);
  const float below = thread < n ? turned_back(ranked[thread].x) - greatest : 0;
  const float weight = thread < n ? exp_nonpositive(below) : 0;
  if (sampling.top_p < 1) {
    const float sum = running_sum(weight);
    const float wanted = sampling.top_p * sums[kMostTopK - 1];
    n = 1 + count_of(0, thread + 1 < n && sum < wanted);
  }
  if (sampling.min_p > 0) n = max(count_of(1, thread < n && weight >= sampling.min_p), 1);
  const float drawn_weight = thread < n ? exp_nonpositive(below / sampling.temperature) : 0;
  const float sum = running_sum(drawn_weight);
  const float target = draw * sums[kMostTopK - 1];
  // The last one that can be drawn where rounding has left the sum at or below the target.
  const uint n_drawable = count_of(2, drawn_weight > 0);
  const uint n_passed = count_of(3, drawn_weight > 0 && sum <= target);
  return ~ranked[min(n_passed, n_drawable - 1)].y;
}

void main() {
  const uint thread = gl_LocalInvocationIndex;
  for (uint i = thread; i < kKeyBits; i += gl_WorkGroupSize.x) n_reaching[i] = 0;
  if (thread < 4) counts[thread] = 0;
  if (thread == 0) n_found = 0;
  barrier();

  const uint k = sampling.top_k;
  const uint n = kLast ? p.n_groups * k : p.n;
  const uint first = gl_GlobalInvocationID.x, step = gl_WorkGroupSize.x * gl_NumWorkGroups.x;
  const uvec2 bound = bound_of(n, k, first, step);
  for (uint i = first; i < n; i += step) {
    const uvec2 key = key_of(i);
    if (key.x != 0 && reaches(key, bound)) found[atomicAdd(n_found, 1)] = key;
  }
  barrier();
  if (!kLast) {
    for (uint i = thread; i < k; i += gl_WorkGroupSize.x) {
      keys[gl_WorkGroupID.x * k + i] = i < n_found ? found[i] : uvec2(0);
    }
    return;
  }

  if (thread < n_found) {
    uint rank = 0;
    for (uint i = 0; i < n_found; ++i) rank += uint(i != thread && reaches(found[i], found[thread]));
    ranked[rank] = found[thread];
  }
  barrier();
  const uint position = state.position + p.n_tokens;  // the token's
  const float draw = float(sampling.draws[position % kHistory * 2] >> 8) * (1.0 / (1 << 24));
  const uint token = n_found > 0 ? choose(n_found, draw) : 0;
  if (thread != 0) return;
  tokens[0] = token;
  if (p.n_tokens > 0) state.n_chosen += 1;
  state.history[(state.n_chosen - 1) % kHistory] = token;
  state.position = position;
}
