// Reads weights of the type SAIN_WEIGHTS, in groups of 16 rows (kernels/packed.h; interface.h for floats), bound at 0, or
// at the address weights_at if SAIN_WEIGHTS_BY_ADDRESS is defined.
//
// A group's block is 32 columns of its 16 rows. It is read in tiles: 8 columns (8 part and on) of 4 rows (4 quad and
// on), as a uvec4 holds 4 rows of 4 or 8 codes. Every type comes down to w = scale * code + offset; SAIN_QUANTIZED is
// set where codes are integers, and SAIN_ZERO is the code of 0 where there is one, so that offset = -SAIN_ZERO * scale.

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
#define SAIN_QUANTIZED (SAIN_WEIGHTS != SAIN_F32 && SAIN_WEIGHTS != SAIN_F16)

#if SAIN_WEIGHTS == SAIN_Q4_0
#define SAIN_ZERO 8
#elif SAIN_WEIGHTS == SAIN_Q5_0
#define SAIN_ZERO 16
#elif SAIN_WEIGHTS == SAIN_Q6_K
#define SAIN_ZERO 32
#elif SAIN_WEIGHTS == SAIN_Q8_0
#define SAIN_ZERO 0
#endif

#ifdef SAIN_WEIGHTS_BY_ADDRESS
// Volatile, so that compilers leave loads where they are: before a wait.
layout(buffer_reference, std430, buffer_reference_align = 16) volatile readonly buffer WeightsAt { uvec4 words[]; };
layout(buffer_reference, std430, buffer_reference_align = 16) volatile readonly buffer WeightPairsAt { uvec2 words[]; };
uvec2 weights_at;
#define weights WeightsAt(weights_at).words
#define weight_pairs WeightPairsAt(weights_at).words
#else
layout(std430, binding = 0) readonly buffer Weights { uvec4 weights[]; };
layout(std430, binding = 0) readonly buffer WeightPairs { uvec2 weight_pairs[]; };  // the same
#endif

#if SAIN_QUANTIZED
/// A tile in codes: a component a row, of signed bytes a column.
struct Codes {
  uvec4 low, high;  // columns 0 to 3, and 4 to 7
  vec4 scale;
#ifndef SAIN_ZERO
  vec4 offset;
#endif
};
#endif

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

/// The bytes of a word, none of them negative; as floats in [2^23, 2^24), whose last bits they are, at first: faster
/// than conversions, of which GPUs do few at a time.
vec4 bytes(uint word) {
  const uvec4 bits = uvec4(word, word >> 8, word >> 16, word >> 24) & 0xffu;
  return uintBitsToFloat(bits | 0x4b000000u) - 8388608.0;
}

/// Of 16 f16 from weights[at] on, those of the quad.
vec4 halves(uint at, uint quad) {
  const uvec2 word = weight_pairs[2 * at + quad];
  return vec4(unpackHalf2x16(word.x), unpackHalf2x16(word.y));
}

#if SAIN_QUANTIZED
/// 4-bit codes at weights[at]: of 8 columns of 4 rows.
void load_nibbles(inout Codes codes, uint at) {
  const uvec4 word = weights[at];
  codes.low = word & 0x0f0f0f0fu;
  codes.high = word >> 4 & 0x0f0f0f0fu;
}

vec4 signed_bytes(uint word) {
  const int w = int(word);
  return vec4(bitfieldExtract(w, 0, 8), bitfieldExtract(w, 8, 8), bitfieldExtract(w, 16, 8), bitfieldExtract(w, 24, 8));
}

/// A tile as it lies in memory, which takes fewer registers while it is on its way.
#if SAIN_WEIGHTS == SAIN_Q4_0
struct Packed {
  uvec4 word;
  uvec2 scale;
};

Packed load_packed(uint group, uint block, uint part, uint quad) {
  const uint unit = group + block * 18;
  return Packed(weights[unit + 2 + part * 4 + quad], weight_pairs[2 * unit + quad]);
}

Codes codes_of(Packed tile) {
  return Codes(tile.word & 0x0f0f0f0fu, tile.word >> 4 & 0x0f0f0f0fu, vec4(unpackHalf2x16(tile.scale.x), unpackHalf2x16(tile.scale.y)));
}
#else
#define Packed Codes
#define load_packed load_codes
#define codes_of(tile) (tile)
#endif

/// The tile of a block of the group that begins at weights[group].
Codes load_codes(uint group, uint block, uint part, uint quad) {
  Codes tile;
#if SAIN_WEIGHTS == SAIN_Q4_0
  const uint unit = group + block * 18;
  load_nibbles(tile, unit + 2 + part * 4 + quad);
  tile.scale = halves(unit, quad);
#elif SAIN_WEIGHTS == SAIN_Q4_1
  const uint unit = group + block * 20;
  load_nibbles(tile, unit + 4 + part * 4 + quad);
  tile.scale = halves(unit, quad);
  tile.offset = halves(unit + 2, quad);
#elif SAIN_WEIGHTS == SAIN_Q5_0 || SAIN_WEIGHTS == SAIN_Q5_1
#if SAIN_WEIGHTS == SAIN_Q5_0
  const uint unit = group + block * 22, codes = unit + 2;
#else
  const uint unit = group + block * 24, codes = unit + 4;
#endif
  const uvec4 bits = weights[codes + quad] >> (2 * part);
  load_nibbles(tile, codes + 4 + part * 4 + quad);
  tile.low |= (bits & 0x01010101u) << 4;
  tile.high |= (bits >> 1 & 0x01010101u) << 4;
  tile.scale = halves(unit, quad);
#if SAIN_WEIGHTS == SAIN_Q5_1
  tile.offset = halves(unit + 2, quad);
#endif
#elif SAIN_WEIGHTS == SAIN_Q8_0
  const uint unit = group + block * 34;
  tile.low = weights[unit + 2 + part * 8 + quad] ^ 0x80808080u;
  tile.high = weights[unit + 6 + part * 8 + quad] ^ 0x80808080u;
  tile.scale = halves(unit, quad);
#elif SAIN_WEIGHTS == SAIN_Q4_K || SAIN_WEIGHTS == SAIN_Q5_K
  const uint s = block % 8;
#if SAIN_WEIGHTS == SAIN_Q4_K
  const uint unit = group + block / 8 * 144, codes = unit + 16 + s * 16;
  load_nibbles(tile, codes + part * 4 + quad);
#else
  const uint unit = group + block / 8 * 176, codes = unit + 16 + s * 20;
  const uvec4 bits = weights[codes + quad] >> (2 * part);
  load_nibbles(tile, codes + 4 + part * 4 + quad);
  tile.low |= (bits & 0x01010101u) << 4;
  tile.high |= (bits >> 1 & 0x01010101u) << 4;
#endif
  const uint low = weights[unit + 4 + s][quad], high = weights[unit + 12 + s / 2][quad] >> (s % 2 * 4);
  tile.scale = halves(unit, quad) * bytes((low & 0x0f0f0f0fu) | (high & 0x03030303u) << 4);
  tile.offset = -halves(unit + 2, quad) * bytes((low >> 4 & 0x0f0f0f0fu) | (high >> 2 & 0x03030303u) << 4);
#elif SAIN_WEIGHTS == SAIN_Q6_K
  const uint unit = group + block / 8 * 210, sub = unit + 2 + block % 8 * 26;
  const uvec4 bits = weights[sub + 2 + part / 2 * 4 + quad] >> (part % 2 * 4);
  load_nibbles(tile, sub + 10 + part * 4 + quad);
  tile.low |= (bits & 0x03030303u) << 4;
  tile.high |= (bits >> 2 & 0x03030303u) << 4;
  tile.scale = halves(unit, quad) * signed_bytes(weights[sub + part / 2][quad]);
#endif
  return tile;
}

Tile load_tile(uint group, uint block, uint part, uint quad) {
  const Codes codes = load_codes(group, block, part, quad);
  Tile tile;
  tile.scale = codes.scale;
#ifdef SAIN_ZERO
  tile.offset = -SAIN_ZERO * codes.scale;
#else
  tile.offset = codes.offset;
#endif
  for (uint r = 0; r < 4; ++r) {
#if SAIN_WEIGHTS == SAIN_Q8_0
    tile.low[r] = signed_bytes(codes.low[r]);
    tile.high[r] = signed_bytes(codes.high[r]);
#else
    tile.low[r] = bytes(codes.low[r]);
    tile.high[r] = bytes(codes.high[r]);
#endif
  }
  return tile;
}
#else
Tile load_tile(uint group, uint block, uint part, uint quad) {
  Tile tile;
#if SAIN_WEIGHTS == SAIN_F32
  for (uint r = 0; r < 4; ++r) {
    const uint at = group + block * 128 + part * 32 + quad * 4 + r;
    tile.low[r] = uintBitsToFloat(weights[at]);
    tile.high[r] = uintBitsToFloat(weights[at + 16]);
  }
#else
  for (uint r = 0; r < 4; r += 2) {
    const uint at = group + block * 64 + part * 16 + quad * 2 + r / 2;
    const uvec4 low = weights[at], high = weights[at + 8];
    tile.low[r] = vec4(unpackHalf2x16(low.x), unpackHalf2x16(low.y));
    tile.low[r + 1] = vec4(unpackHalf2x16(low.z), unpackHalf2x16(low.w));
    tile.high[r] = vec4(unpackHalf2x16(high.x), unpackHalf2x16(high.y));
    tile.high[r + 1] = vec4(unpackHalf2x16(high.z), unpackHalf2x16(high.w));
  }
#endif
  tile.scale = vec4(1);
  tile.offset = vec4(0);
  return tile;
}
#endif
