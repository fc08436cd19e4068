// Writes vectors in 8 bits, as interface.h has them, at the binding SAIN_NEXT; where that is not defined, through the
// includer's store_next().
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require

#ifdef SAIN_NEXT
layout(std430, binding = SAIN_NEXT) writeonly buffer Next { uint next[]; };
void store_next(uint at, uint word) {
  next[at] = word;
}
#endif

/// Of the elements from i on, a multiple of 4: `before` and after the weight came to them. The four invocations of a
/// block are neighbours in a subgroup and call this together.
void store_quantized(uint i, vec4 before, vec4 elements) {
  const vec4 magnitudes = abs(elements);
  float greatest = max(max(magnitudes.x, magnitudes.y), max(magnitudes.z, magnitudes.w));
  greatest = max(greatest, subgroupShuffleXor(greatest, 1));
  greatest = max(greatest, subgroupShuffleXor(greatest, 2));
  float squares = dot(before, before);
  squares += subgroupShuffleXor(squares, 1);
  squares += subgroupShuffleXor(squares, 2);
  const ivec4 codes = ivec4(round(elements * (greatest == 0 ? 0 : 127 / greatest))) & 0xff;
  const uint block = i / kQuantizedBlock * kQuantizedWords, quarter = i / 4 % 4;
  store_next(block + quarter, uint(codes.x | codes.y << 8 | codes.z << 16 | codes.w << 24));
  if (quarter == 0) {
    store_next(block + 4, floatBitsToUint(greatest / 127));
    store_next(block + 5, floatBitsToUint(squares));
  }
}
