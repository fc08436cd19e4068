// Products of codes of 8 bits.
#extension GL_EXT_spirv_intrinsics : require

/// OpSDot of SPV_KHR_integer_dot_product, of four signed bytes each.
spirv_instruction(extensions = ["SPV_KHR_integer_dot_product"], capabilities = [6018, 6019], id = 4450)
int dot_of_bytes(uint a, uint b, spirv_literal int packed_vector_format);

/// A tile of weights times 8 of a vector in 8 bits, of that scale: a component a row.
vec4 multiply(Codes tile, uvec2 x_codes, float scale) {
  const int sum_of_x = dot_of_bytes(x_codes.x, 0x01010101u, 0) + dot_of_bytes(x_codes.y, 0x01010101u, 0);
  // Sums are floats near 12582912 = 1.5 * 2^23 at first, of which the integer is the last bits: faster than conversions.
  int base = 0x4b400000;
#ifdef SAIN_ZERO
  base -= SAIN_ZERO * sum_of_x;
#endif
  const ivec4 sums = base + ivec4(dot_of_bytes(tile.low.x, x_codes.x, 0) + dot_of_bytes(tile.high.x, x_codes.y, 0),
                                  dot_of_bytes(tile.low.y, x_codes.x, 0) + dot_of_bytes(tile.high.y, x_codes.y, 0),
                                  dot_of_bytes(tile.low.z, x_codes.x, 0) + dot_of_bytes(tile.high.z, x_codes.y, 0),
                                  dot_of_bytes(tile.low.w, x_codes.x, 0) + dot_of_bytes(tile.high.w, x_codes.y, 0));
  const vec4 sum = intBitsToFloat(sums) - 12582912;
#ifdef SAIN_ZERO
  return scale * tile.scale * sum;
#else
  return scale * (tile.scale * sum + tile.offset * float(sum_of_x));
#endif
}
