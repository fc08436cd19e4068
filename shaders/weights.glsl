// Reads weights of the type SAIN_WEIGHTS, in groups of 16 rows (kernels/packed.h; interface.h for floats), bound at 0.
//
// A group's block is 32 columns of its 16 rows. It is read in tiles: 8 columns (8 part and on) of 4 rows (4 quad and
// on), as a uvec4 holds 4 rows of 4 or 8 codes. Every type comes down to w = scale * code + offset.

#define SAIN_F32 0
#define SAIN_F16 1
#define SAIN_Q4_0 2
#define SAIN_Q4_1 3
#define SAIN_Q5_0 6
#define SAIN_Q5_1 7
#define SAIN_Q8_0 8
#define SAIN_Q4_K 12
#define SAIN_Q5_K 13
#define SAIN_Q6_K 14

layout(std430, binding = 0) readonly buffer Weights { uvec4 weights[]; };

struct Tile {
  vec4 low[4], high[4];  // of each row: columns 0 to 3, and 4 to 7
  vec4 scale, offset;    // a component a row
};

/// uvec4s of `n_columns` of a group.
uint group_words(uint n_columns) {
  const uint n_blocks = (n_columns + 31) / 32;
#if SAIN_WEIGHTS == SAIN_F32
  return n_blocks * 128;
#elif SAIN_WEIGHTS == SAIN_F16
  return n_blocks * 64;
#elif SAIN_WEIGHTS == SAIN_Q4_0
  return n_blocks * 18;
#elif SAIN_WEIGHTS == SAIN_Q4_1
  return n_blocks * 20;
#elif SAIN_WEIGHTS == SAIN_Q5_0
  return n_blocks * 22;
#elif SAIN_WEIGHTS == SAIN_Q5_1
  return n_blocks * 24;
#elif SAIN_WEIGHTS == SAIN_Q8_0
  return n_blocks * 34;
#elif SAIN_WEIGHTS == SAIN_Q4_K
  return n_blocks / 8 * 144;
#elif SAIN_WEIGHTS == SAIN_Q5_K
  return n_blocks / 8 * 176;
#elif SAIN_WEIGHTS == SAIN_Q6_K
  return n_blocks / 8 * 210;
#endif
}

vec4 bytes(uint word) {
  return vec4(word & 0xffu, word >> 8 & 0xffu, word >> 16 & 0xffu, word >> 24);
}

vec4 signed_bytes(uint word) {
  const int w = int(word);
  return vec4(bitfieldExtract(w, 0, 8), bitfieldExtract(w, 8, 8), bitfieldExtract(w, 16, 8), bitfieldExtract(w, 24, 8));
}

/// Of 16 f16 from weights[at] on, those of the quad.
vec4 halves(uint at, uint quad) {
  const uvec4 pair = weights[at + quad / 2];
  const uvec2 word = (quad & 1u) == 0 ? pair.xy : pair.zw;
  return vec4(unpackHalf2x16(word.x), unpackHalf2x16(word.y));
}

/// 4-bit codes at weights[at], with bits above them: of 8 columns of 4 rows.
void load_nibbles(inout Tile tile, uint at, uvec4 above_low, uvec4 above_high) {
  const uvec4 word = weights[at];
  for (uint r = 0; r < 4; ++r) {
    tile.low[r] = bytes((word[r] & 0x0f0f0f0fu) | above_low[r]);
    tile.high[r] = bytes((word[r] >> 4 & 0x0f0f0f0fu) | above_high[r]);
  }
}

/// The tile of a block of the group that begins at weights[group].
Tile load_tile(uint group, uint block, uint part, uint quad) {
  Tile tile;
#if SAIN_WEIGHTS == SAIN_F32
  for (uint r = 0; r < 4; ++r) {
    const uint at = group + block * 128 + part * 32 + quad * 4 + r;
    tile.low[r] = uintBitsToFloat(weights[at]);
    tile.high[r] = uintBitsToFloat(weights[at + 16]);
  }
  tile.scale = vec4(1);
  tile.offset = vec4(0);
#elif SAIN_WEIGHTS == SAIN_F16
  for (uint r = 0; r < 4; r += 2) {
    const uint at = group + block * 64 + part * 16 + quad * 2 + r / 2;
    const uvec4 low = weights[at], high = weights[at + 8];
    tile.low[r] = vec4(unpackHalf2x16(low.x), unpackHalf2x16(low.y));
    tile.low[r + 1] = vec4(unpackHalf2x16(low.z), unpackHalf2x16(low.w));
    tile.high[r] = vec4(unpackHalf2x16(high.x), unpackHalf2x16(high.y));
    tile.high[r + 1] = vec4(unpackHalf2x16(high.z), unpackHalf2x16(high.w));
  }
  tile.scale = vec4(1);
  tile.offset = vec4(0);
#elif SAIN_WEIGHTS == SAIN_Q4_0
  const uint unit = group + block * 18;
  load_nibbles(tile, unit + 2 + part * 4 + quad, uvec4(0), uvec4(0));
  tile.scale = halves(unit, quad);
  tile.offset = -8 * tile.scale;
#elif SAIN_WEIGHTS == SAIN_Q4_1
  const uint unit = group + block * 20;
  load_nibbles(tile, unit + 4 + part * 4 + quad, uvec4(0), uvec4(0));
  tile.scale = halves(unit, quad);
  tile.offset = halves(unit + 2, quad);
#elif SAIN_WEIGHTS == SAIN_Q5_0 || SAIN_WEIGHTS == SAIN_Q5_1
#if SAIN_WEIGHTS == SAIN_Q5_0
  const uint unit = group + block * 22, codes = unit + 2;
#else
  const uint unit = group + block * 24, codes = unit + 4;
#endif
  const uvec4 bits = weights[codes + quad] >> (2 * part);
  load_nibbles(tile, codes + 4 + part * 4 + quad, (bits & 0x01010101u) << 4, (bits >> 1 & 0x01010101u) << 4);
  tile.scale = halves(unit, quad);
#if SAIN_WEIGHTS == SAIN_Q5_0
  tile.offset = -16 * tile.scale;
#else
  tile.offset = halves(unit + 2, quad);
#endif
#elif SAIN_WEIGHTS == SAIN_Q8_0
  const uint unit = group + block * 34;
  const uvec4 low = weights[unit + 2 + part * 8 + quad], high = weights[unit + 6 + part * 8 + quad];
  for (uint r = 0; r < 4; ++r) {
    tile.low[r] = bytes(low[r]);
    tile.high[r] = bytes(high[r]);
  }
  tile.scale = halves(unit, quad);
  tile.offset = -128 * tile.scale;
#elif SAIN_WEIGHTS == SAIN_Q4_K || SAIN_WEIGHTS == SAIN_Q5_K
  const uint s = block % 8;
#if SAIN_WEIGHTS == SAIN_Q4_K
  const uint unit = group + block / 8 * 144, codes = unit + 16 + s * 16;
  load_nibbles(tile, codes + part * 4 + quad, uvec4(0), uvec4(0));
#else
  const uint unit = group + block / 8 * 176, codes = unit + 16 + s * 20;
  const uvec4 bits = weights[codes + quad] >> (2 * part);
  load_nibbles(tile, codes + 4 + part * 4 + quad, (bits & 0x01010101u) << 4, (bits >> 1 & 0x01010101u) << 4);
#endif
  const uint low = weights[unit + 4 + s][quad], high = weights[unit + 12 + s / 2][quad] >> (s % 2 * 4);
  tile.scale = halves(unit, quad) * bytes((low & 0x0f0f0f0fu) | (high & 0x03030303u) << 4);
  tile.offset = -halves(unit + 2, quad) * bytes((low >> 4 & 0x0f0f0f0fu) | (high >> 2 & 0x03030303u) << 4);
#elif SAIN_WEIGHTS == SAIN_Q6_K
  const uint unit = group + block / 8 * 210, sub = unit + 2 + block % 8 * 26;
  const uvec4 bits = weights[sub + 2 + part / 2 * 4 + quad] >> (part % 2 * 4);
  load_nibbles(tile, sub + 10 + part * 4 + quad, (bits & 0x03030303u) << 4, (bits >> 2 & 0x03030303u) << 4);
  tile.scale = halves(unit, quad) * signed_bytes(weights[sub + part / 2][quad]);
  tile.offset = -32 * tile.scale;
#endif
  return tile;
}
