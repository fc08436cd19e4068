// Sums over a workgroup, whose size is a power of two, at least 16.
//
// SAIN_SUBGROUP: with shuffles where the device has them; invocations are taken to lie in subgroups in their order.

#ifdef SAIN_SUBGROUP
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#endif

shared vec4 reduce_scratch[gl_WorkGroupSize.x];

/// The sum over all invocations whose index is the same modulo 4; every invocation gets that of its own.
vec4 sum_of_quads(vec4 value) {
  const uint thread = gl_LocalInvocationIndex;
  barrier();  // the last call's scratch has been read
#ifdef SAIN_SUBGROUP
  uint width = 4;
  for (; width < gl_SubgroupSize && width < gl_WorkGroupSize.x; width *= 2) value += subgroupShuffleXor(value, width);
  if (thread % width < 4) reduce_scratch[thread / width * 4 + thread % 4] = value;
  barrier();
  value = vec4(0);
  for (uint i = thread % 4; i < gl_WorkGroupSize.x / width * 4; i += 4) value += reduce_scratch[i];
#else
  reduce_scratch[thread] = value;
  barrier();
  for (uint n = gl_WorkGroupSize.x / 2; n >= 4; n /= 2) {
    if (thread < n) reduce_scratch[thread] += reduce_scratch[thread + n];
    barrier();
  }
  value = reduce_scratch[thread % 4];
#endif
  return value;
}

/// The sum over all invocations.
float sum_of_all(float value) {
  const uint thread = gl_LocalInvocationIndex;
  // Four invocations' values are a vec4 of one; the others count nothing.
  const vec4 quads = sum_of_quads(vec4(value, 0, 0, 0));
  barrier();
  if (thread < 4) reduce_scratch[thread] = quads;
  barrier();
  return reduce_scratch[0].x + reduce_scratch[1].x + reduce_scratch[2].x + reduce_scratch[3].x;
}
