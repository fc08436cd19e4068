// The specification: kernels/blocks.h's formulas, in loops that compilers vectorise for any machine.
#include "kernels/blocks.h"
#include "kernels/dequantize/dequantize.h"
#include "kernels/dequantize/scales.h"
#include "kernels/dequantize/versions.h"
#include "kernels/half.h"

namespace sain::kernels {
namespace {

void dequantize_f32(const void* blocks, float* out, size_t n) {
  __builtin_memcpy(out, blocks, n * sizeof(float));
}

template <float (*widen)(uint16_t)>
void dequantize_16bit(const void* blocks, float* __restrict out, size_t n) {
  const char* __restrict from = static_cast<const char*>(blocks);
  for (size_t i = 0; i < n; ++i) {
    uint16_t value;
    __builtin_memcpy(&value, from + 2 * i, sizeof(value));
    out[i] = widen(value);
  }
}

void decode(const BlockQ4_0& __restrict block, float* __restrict out) {
  const float d = half_to_float(block.d);
  for (int i = 0; i < 16; ++i) out[i] = d * static_cast<float>((block.qs[i] & 15) - 8);
  for (int i = 0; i < 16; ++i) out[16 + i] = d * static_cast<float>((block.qs[i] >> 4) - 8);
}

void decode(const BlockQ4_1& __restrict block, float* __restrict out) {
  const float d = half_to_float(block.d), m = half_to_float(block.m);
  for (int i = 0; i < 16; ++i) out[i] = d * static_cast<float>(block.qs[i] & 15) + m;
  for (int i = 0; i < 16; ++i) out[16 + i] = d * static_cast<float>(block.qs[i] >> 4) + m;
}

/// The 32 bits of `qh` as bytes of 0 or 16, to be added to 4-bit codes.
void spread_fifth_bits(const uint8_t qh[4], uint8_t fifth[32]) {
  static constexpr uint8_t kBits[8] = {1, 2, 4, 8, 16, 32, 64, 128};
  for (int i = 0; i < 32; ++i) fifth[i] = (qh[i / 8] & kBits[i % 8]) != 0 ? 16 : 0;
}

void decode(const BlockQ5_0& __restrict block, float* __restrict out) {
  const float d = half_to_float(block.d);
  uint8_t fifth[32];
  spread_fifth_bits(block.qh, fifth);
  for (int i = 0; i < 16; ++i) out[i] = d * static_cast<float>(((block.qs[i] & 15) | fifth[i]) - 16);
  for (int i = 0; i < 16; ++i) out[16 + i] = d * static_cast<float>(((block.qs[i] >> 4) | fifth[16 + i]) - 16);
}

void decode(const BlockQ5_1& __restrict block, float* __restrict out) {
  const float d = half_to_float(block.d), m = half_to_float(block.m);
  uint8_t fifth[32];
  spread_fifth_bits(block.qh, fifth);
  for (int i = 0; i < 16; ++i) out[i] = d * static_cast<float>((block.qs[i] & 15) | fifth[i]) + m;
  for (int i = 0; i < 16; ++i) out[16 + i] = d * static_cast<float>((block.qs[i] >> 4) | fifth[16 + i]) + m;
}

void decode(const BlockQ8_0& __restrict block, float* __restrict out) {
  const float d = half_to_float(block.d);
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(block.qs[i]);
}

void decode(const BlockQ2_K& __restrict block, float* __restrict out) {
  const float d = half_to_float(block.d), dmin = half_to_float(block.dmin);
  for (int sub = 0; sub < 16; ++sub, out += 16) {
    const float scale = d * static_cast<float>(block.scales[sub] & 15);
    const float min = dmin * static_cast<float>(block.scales[sub] >> 4);
    const uint8_t* q = block.qs + 32 * (sub / 8) + 16 * (sub % 2);
    const int shift = 2 * (sub / 2 % 4);
    for (int i = 0; i < 16; ++i) out[i] = scale * static_cast<float>(q[i] >> shift & 3) - min;
  }
}

void decode(const BlockQ3_K& __restrict block, float* __restrict out) {
  const float d = half_to_float(block.d);
  int8_t scales[16];
  unpack_q3_scales(block.scales, scales);
  for (int sub = 0; sub < 16; ++sub, out += 16) {
    const float scale = d * static_cast<float>(scales[sub]);
    const uint8_t* q = block.qs + 32 * (sub / 8) + 16 * (sub % 2);
    const uint8_t* h = block.hmask + 16 * (sub % 2);
    const int shift = 2 * (sub / 2 % 4), bit = sub / 2;
    for (int i = 0; i < 16; ++i)
      out[i] = scale * static_cast<float>(((q[i] >> shift & 3) | (h[i] >> bit & 1) << 2) - 4);
  }
}

void decode(const BlockQ4_K& __restrict block, float* __restrict out) {
  const float d = half_to_float(block.d), dmin = half_to_float(block.dmin);
  uint8_t scales[8], mins[8];
  unpack_scales_mins(block.scales, scales, mins);
  const uint8_t* q = block.qs;
  for (int sub = 0; sub < 8; sub += 2, out += 64, q += 32) {
    const float scale0 = d * static_cast<float>(scales[sub]), min0 = dmin * static_cast<float>(mins[sub]);
    const float scale1 = d * static_cast<float>(scales[sub + 1]), min1 = dmin * static_cast<float>(mins[sub + 1]);
    for (int i = 0; i < 32; ++i) out[i] = scale0 * static_cast<float>(q[i] & 15) - min0;
    for (int i = 0; i < 32; ++i) out[32 + i] = scale1 * static_cast<float>(q[i] >> 4) - min1;
  }
}

void decode(const BlockQ5_K& __restrict block, float* __restrict out) {
  const float d = half_to_float(block.d), dmin = half_to_float(block.dmin);
  uint8_t scales[8], mins[8];
  unpack_scales_mins(block.scales, scales, mins);
  const uint8_t* q = block.qs;
  for (int sub = 0; sub < 8; sub += 2, out += 64, q += 32) {
    const float scale0 = d * static_cast<float>(scales[sub]), min0 = dmin * static_cast<float>(mins[sub]);
    const float scale1 = d * static_cast<float>(scales[sub + 1]), min1 = dmin * static_cast<float>(mins[sub + 1]);
    for (int i = 0; i < 32; ++i) {
      out[i] = scale0 * static_cast<float>((q[i] & 15) | (block.qh[i] >> sub & 1) << 4) - min0;
    }
    for (int i = 0; i < 32; ++i) {
      out[32 + i] = scale1 * static_cast<float>((q[i] >> 4) | (block.qh[i] >> (sub + 1) & 1) << 4) - min1;
    }
  }
}

void decode(const BlockQ6_K& __restrict block, float* __restrict out) {
  const float d = half_to_float(block.d);
  for (int sub = 0; sub < 16; ++sub, out += 16) {
    const float scale = d * static_cast<float>(block.scales[sub]);
    const uint8_t* ql = block.ql + 64 * (sub / 8) + 16 * (sub % 4);
    const uint8_t* qh = block.qh + 32 * (sub / 8) + 16 * (sub % 2);
    const int low = 4 * (sub / 4 % 2), high = 2 * (sub / 2 % 4);
    for (int i = 0; i < 16; ++i) {
      out[i] = scale * static_cast<float>(((ql[i] >> low & 15) | (qh[i] >> high & 3) << 4) - 32);
    }
  }
}

void decode_levels(const uint8_t qs[16], const int8_t levels[16], float scale, float* out) {
  for (int i = 0; i < 16; ++i) out[i] = scale * static_cast<float>(levels[qs[i] & 15]);
  for (int i = 0; i < 16; ++i) out[16 + i] = scale * static_cast<float>(levels[qs[i] >> 4]);
}

void decode(const BlockIQ4_NL& __restrict block, float* __restrict out) {
  decode_levels(block.qs, kIq4Values, half_to_float(block.d), out);
}

void decode(const BlockIQ4_XS& __restrict block, float* __restrict out) {
  const float d = half_to_float(block.d);
  int8_t scales[8];
  unpack_iq4_xs_scales(block.scales_l, block.scales_h, scales);
  for (int sub = 0; sub < 8; ++sub, out += 32) {
    decode_levels(block.qs + 16 * sub, kIq4Values, d * static_cast<float>(scales[sub]), out);
  }
}

void decode(const BlockMXFP4& __restrict block, float* __restrict out) {
  decode_levels(block.qs, kMxfp4Values, e8m0_half_to_float(block.e), out);
}

/// Straight from the file: a copy of the block would be read at other widths than it was written, and wait for that.
template <class Block>
void dequantize_row(const void* blocks, float* out, size_t n) {
  const Block* block = static_cast<const Block*>(blocks);
  for (size_t i = 0; i < n; i += Block::kElements) decode(*block++, out + i);
}

}  // namespace

constexpr DequantizeTable kDequantizeScalar = DequantizeTable::of({
    {DType::kF32, dequantize_f32},
    {DType::kF16, dequantize_16bit<half_to_float>},
    {DType::kBF16, dequantize_16bit<bf16_to_float>},
    {DType::kQ4_0, dequantize_row<BlockQ4_0>},
    {DType::kQ4_1, dequantize_row<BlockQ4_1>},
    {DType::kQ5_0, dequantize_row<BlockQ5_0>},
    {DType::kQ5_1, dequantize_row<BlockQ5_1>},
    {DType::kQ8_0, dequantize_row<BlockQ8_0>},
    {DType::kQ2_K, dequantize_row<BlockQ2_K>},
    {DType::kQ3_K, dequantize_row<BlockQ3_K>},
    {DType::kQ4_K, dequantize_row<BlockQ4_K>},
    {DType::kQ5_K, dequantize_row<BlockQ5_K>},
    {DType::kQ6_K, dequantize_row<BlockQ6_K>},
    {DType::kIQ4_NL, dequantize_row<BlockIQ4_NL>},
    {DType::kIQ4_XS, dequantize_row<BlockIQ4_XS>},
    {DType::kMXFP4, dequantize_row<BlockMXFP4>},
});

}  // namespace sain::kernels
