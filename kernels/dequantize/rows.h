// The one implementation of all row decoders, written for the compiler's vectoriser: each file that includes it
// compiles it for its own instruction set. Everything is `static` for that reason (see kernels/half.h).
//
// `#pragma GCC unroll 1`: GCC takes short loops apart before its vectoriser sees them, which costs a factor of 3 to 4.
#pragma once

#include "kernels/blocks.h"
#include "kernels/dequantize/dequantize.h"
#include "kernels/half.h"

namespace sain::kernels {

/// Decodes block by block, straight from the row: blocks are packed, so any address will do.
template <class Block, void (*decode)(const Block& __restrict, float* __restrict)>
static void dequantize_row(const void* blocks, float* out, size_t n) {
  const char* from = static_cast<const char*>(blocks);
  for (size_t i = 0; i < n; i += Block::kElements, from += sizeof(Block)) {
    decode(*reinterpret_cast<const Block*>(from), out + i);
  }
}

static void dequantize_f32(const void* blocks, float* out, size_t n) {
  __builtin_memcpy(out, blocks, n * sizeof(float));
}

template <float (*widen)(uint16_t)>
static void dequantize_16bit(const void* blocks, float* out, size_t n) {
  const char* from = static_cast<const char*>(blocks);
  for (size_t i = 0; i < n; ++i) {
    uint16_t value;
    __builtin_memcpy(&value, from + 2 * i, sizeof(value));
    out[i] = widen(value);
  }
}

static void decode_q4_0(const BlockQ4_0& __restrict block, float* __restrict out) {
  const float d = half_to_float(block.d);
#pragma GCC unroll 1
  for (int i = 0; i < 16; ++i) out[i] = d * static_cast<float>((block.qs[i] & 15) - 8);
#pragma GCC unroll 1
  for (int i = 0; i < 16; ++i) out[16 + i] = d * static_cast<float>((block.qs[i] >> 4) - 8);
}

static void decode_q4_1(const BlockQ4_1& __restrict block, float* __restrict out) {
  const float d = half_to_float(block.d), m = half_to_float(block.m);
#pragma GCC unroll 1
  for (int i = 0; i < 16; ++i) out[i] = d * static_cast<float>(block.qs[i] & 15) + m;
#pragma GCC unroll 1
  for (int i = 0; i < 16; ++i) out[16 + i] = d * static_cast<float>(block.qs[i] >> 4) + m;
}

/// The 32 bits of `qh` as bytes of 0 or 16, to be added to 4-bit codes. Eight at a time: each byte of a word keeps
/// one bit of its own, and adding 127 carries it, whichever it is, into the top bit.
static inline void spread_fifth_bits(const uint8_t* __restrict qh, uint8_t* __restrict fifth) {
  for (int i = 0; i < 4; ++i) {
    const uint64_t own_bits = (qh[i] * 0x0101010101010101u) & 0x8040201008040201u;
    const uint64_t sixteens = ((own_bits + 0x7f7f7f7f7f7f7f7fu) & 0x8080808080808080u) >> 3;
    __builtin_memcpy(fifth + 8 * i, &sixteens, sizeof(sixteens));
  }
}

static void decode_q5_0(const BlockQ5_0& __restrict block, float* __restrict out) {
  const float d = half_to_float(block.d);
  uint8_t fifth[32];
  spread_fifth_bits(block.qh, fifth);
#pragma GCC unroll 1
  for (int i = 0; i < 16; ++i) out[i] = d * static_cast<float>(((block.qs[i] & 15) | fifth[i]) - 16);
#pragma GCC unroll 1
  for (int i = 0; i < 16; ++i) out[16 + i] = d * static_cast<float>(((block.qs[i] >> 4) | fifth[16 + i]) - 16);
}

static void decode_q5_1(const BlockQ5_1& __restrict block, float* __restrict out) {
  const float d = half_to_float(block.d), m = half_to_float(block.m);
  uint8_t fifth[32];
  spread_fifth_bits(block.qh, fifth);
#pragma GCC unroll 1
  for (int i = 0; i < 16; ++i) out[i] = d * static_cast<float>((block.qs[i] & 15) | fifth[i]) + m;
#pragma GCC unroll 1
  for (int i = 0; i < 16; ++i) out[16 + i] = d * static_cast<float>((block.qs[i] >> 4) | fifth[16 + i]) + m;
}

static void decode_q8_0(const BlockQ8_0& __restrict block, float* __restrict out) {
  const float d = half_to_float(block.d);
#pragma GCC unroll 1
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(block.qs[i]);
}

static void decode_q2_k(const BlockQ2_K& __restrict block, float* __restrict out) {
  const float d = half_to_float(block.d), dmin = half_to_float(block.dmin);
  for (int sub = 0; sub < 16; ++sub, out += 16) {
    const float scale = d * static_cast<float>(block.scales[sub] & 15);
    const float min = dmin * static_cast<float>(block.scales[sub] >> 4);
    const uint8_t* q = block.qs + 32 * (sub / 8) + 16 * (sub % 2);
    const int shift = 2 * (sub / 2 % 4);
#pragma GCC unroll 1
    for (int i = 0; i < 16; ++i) out[i] = scale * static_cast<float>(q[i] >> shift & 3) - min;
  }
}

static void decode_q3_k(const BlockQ3_K& __restrict block, float* __restrict out) {
  const float d = half_to_float(block.d);
  for (int sub = 0; sub < 16; ++sub, out += 16) {
    const int low = block.scales[sub % 8] >> 4 * (sub / 8) & 15;
    const int high = block.scales[8 + sub % 4] >> 2 * (sub / 4) & 3;
    const float scale = d * static_cast<float>((low | high << 4) - 32);
    const uint8_t* q = block.qs + 32 * (sub / 8) + 16 * (sub % 2);
    const uint8_t* h = block.hmask + 16 * (sub % 2);
    const int shift = 2 * (sub / 2 % 4), bit = sub / 2;
#pragma GCC unroll 1
    for (int i = 0; i < 16; ++i)
      out[i] = scale * static_cast<float>(((q[i] >> shift & 3) | (h[i] >> bit & 1) << 2) - 4);
  }
}

/// The scales and mins of Q4_K and Q5_K, four bytes at a time. The masks stop bits from crossing between bytes.
static inline void unpack_scales_mins(const uint8_t packed[12], uint8_t scales[8], uint8_t mins[8]) {
  uint32_t words[3];
  __builtin_memcpy(words, packed, sizeof(words));
  const uint32_t scale_words[2] = {words[0] & 0x3f3f3f3fu, (words[2] & 0x0f0f0f0fu) | (words[0] >> 2 & 0x30303030u)};
  const uint32_t min_words[2] = {words[1] & 0x3f3f3f3fu, (words[2] >> 4 & 0x0f0f0f0fu) | (words[1] >> 2 & 0x30303030u)};
  __builtin_memcpy(scales, scale_words, sizeof(scale_words));
  __builtin_memcpy(mins, min_words, sizeof(min_words));
}

static void decode_q4_k(const BlockQ4_K& __restrict block, float* __restrict out) {
  const float d = half_to_float(block.d), dmin = half_to_float(block.dmin);
  uint8_t scales[8], mins[8];
  unpack_scales_mins(block.scales, scales, mins);
  const uint8_t* q = block.qs;
  for (int sub = 0; sub < 8; sub += 2, out += 64, q += 32) {
    const float scale0 = d * static_cast<float>(scales[sub]), min0 = dmin * static_cast<float>(mins[sub]);
    const float scale1 = d * static_cast<float>(scales[sub + 1]), min1 = dmin * static_cast<float>(mins[sub + 1]);
#pragma GCC unroll 1
    for (int i = 0; i < 32; ++i) out[i] = scale0 * static_cast<float>(q[i] & 15) - min0;
#pragma GCC unroll 1
    for (int i = 0; i < 32; ++i) out[32 + i] = scale1 * static_cast<float>(q[i] >> 4) - min1;
  }
}

static void decode_q5_k(const BlockQ5_K& __restrict block, float* __restrict out) {
  const float d = half_to_float(block.d), dmin = half_to_float(block.dmin);
  uint8_t scales[8], mins[8];
  unpack_scales_mins(block.scales, scales, mins);
  const uint8_t* q = block.qs;
  for (int sub = 0; sub < 8; sub += 2, out += 64, q += 32) {
    const float scale0 = d * static_cast<float>(scales[sub]), min0 = dmin * static_cast<float>(mins[sub]);
    const float scale1 = d * static_cast<float>(scales[sub + 1]), min1 = dmin * static_cast<float>(mins[sub + 1]);
#pragma GCC unroll 1
    for (int i = 0; i < 32; ++i) {
      out[i] = scale0 * static_cast<float>((q[i] & 15) | (block.qh[i] >> sub & 1) << 4) - min0;
    }
#pragma GCC unroll 1
    for (int i = 0; i < 32; ++i) {
      out[32 + i] = scale1 * static_cast<float>((q[i] >> 4) | (block.qh[i] >> (sub + 1) & 1) << 4) - min1;
    }
  }
}

static void decode_q6_k(const BlockQ6_K& __restrict block, float* __restrict out) {
  const float d = half_to_float(block.d);
  for (int sub = 0; sub < 16; ++sub, out += 16) {
    const float scale = d * static_cast<float>(block.scales[sub]);
    const uint8_t* ql = block.ql + 64 * (sub / 8) + 16 * (sub % 4);
    const uint8_t* qh = block.qh + 32 * (sub / 8) + 16 * (sub % 2);
    const int low = 4 * (sub / 4 % 2), high = 2 * (sub / 2 % 4);
#pragma GCC unroll 1
    for (int i = 0; i < 16; ++i) {
      out[i] = scale * static_cast<float>(((ql[i] >> low & 15) | (qh[i] >> high & 3) << 4) - 32);
    }
  }
}

static inline void decode_levels(const uint8_t* __restrict qs, const int8_t* __restrict levels, float scale,
                                 float* __restrict out) {
#pragma GCC unroll 1
  for (int i = 0; i < 16; ++i) out[i] = scale * static_cast<float>(levels[qs[i] & 15]);
#pragma GCC unroll 1
  for (int i = 0; i < 16; ++i) out[16 + i] = scale * static_cast<float>(levels[qs[i] >> 4]);
}

static void decode_iq4_nl(const BlockIQ4_NL& __restrict block, float* __restrict out) {
  decode_levels(block.qs, kIq4Values, half_to_float(block.d), out);
}

static void decode_iq4_xs(const BlockIQ4_XS& __restrict block, float* __restrict out) {
  const float d = half_to_float(block.d);
  for (int sub = 0; sub < 8; ++sub, out += 32) {
    const int low = block.scales_l[sub / 2] >> 4 * (sub % 2) & 15;
    const int high = block.scales_h >> 2 * sub & 3;
    decode_levels(block.qs + 16 * sub, kIq4Values, d * static_cast<float>((low | high << 4) - 32), out);
  }
}

static void decode_mxfp4(const BlockMXFP4& __restrict block, float* __restrict out) {
  const uint32_t e = block.e;
  const uint32_t bits = e < 2 ? 0x00200000u << e : (e - 1) << 23;  // 2^(e - 128), subnormal for e < 2
  decode_levels(block.qs, kMxfp4Values, float_from_bits(bits), out);
}

static constexpr DequantizeTable make_dequantize_table() {
  DequantizeTable table;
  const auto set = [&table](DType dtype, DequantizeRow row) { table.rows[static_cast<uint32_t>(dtype)] = row; };
  set(DType::kF32, dequantize_f32);
  set(DType::kF16, dequantize_16bit<half_to_float>);
  set(DType::kBF16, dequantize_16bit<bf16_to_float>);
  set(DType::kQ4_0, dequantize_row<BlockQ4_0, decode_q4_0>);
  set(DType::kQ4_1, dequantize_row<BlockQ4_1, decode_q4_1>);
  set(DType::kQ5_0, dequantize_row<BlockQ5_0, decode_q5_0>);
  set(DType::kQ5_1, dequantize_row<BlockQ5_1, decode_q5_1>);
  set(DType::kQ8_0, dequantize_row<BlockQ8_0, decode_q8_0>);
  set(DType::kQ2_K, dequantize_row<BlockQ2_K, decode_q2_k>);
  set(DType::kQ3_K, dequantize_row<BlockQ3_K, decode_q3_k>);
  set(DType::kQ4_K, dequantize_row<BlockQ4_K, decode_q4_k>);
  set(DType::kQ5_K, dequantize_row<BlockQ5_K, decode_q5_k>);
  set(DType::kQ6_K, dequantize_row<BlockQ6_K, decode_q6_k>);
  set(DType::kIQ4_NL, dequantize_row<BlockIQ4_NL, decode_iq4_nl>);
  set(DType::kIQ4_XS, dequantize_row<BlockIQ4_XS, decode_iq4_xs>);
  set(DType::kMXFP4, dequantize_row<BlockMXFP4, decode_mxfp4>);
  return table;
}

}  // namespace sain::kernels
