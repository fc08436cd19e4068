#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/blocks.h"
#include "kernels/dequantize/scales.h"
#include "kernels/half.h"
#include "kernels/pack/pack.h"

namespace sain::kernels {
namespace {

// Codes of one block in column order.

void codes_of(const BlockQ4_0& block, uint8_t* q) {
  for (int i = 0; i < 16; ++i) q[i] = block.qs[i] & 15, q[16 + i] = block.qs[i] >> 4;
}
void codes_of(const BlockQ4_1& block, uint8_t* q) {
  for (int i = 0; i < 16; ++i) q[i] = block.qs[i] & 15, q[16 + i] = block.qs[i] >> 4;
}
template <class Block>
void codes_of_q5(const Block& block, uint8_t* q) {
  for (int i = 0; i < 32; ++i) {
    const int low = i < 16 ? block.qs[i] & 15 : block.qs[i - 16] >> 4;
    q[i] = static_cast<uint8_t>(low | (block.qh[i / 8] >> i % 8 & 1) << 4);
  }
}
void codes_of(const BlockQ5_0& block, uint8_t* q) {
  codes_of_q5(block, q);
}
void codes_of(const BlockQ5_1& block, uint8_t* q) {
  codes_of_q5(block, q);
}
void codes_of(const BlockQ8_0& block, uint8_t* q) {
  for (int i = 0; i < 32; ++i) q[i] = static_cast<uint8_t>(block.qs[i] + 128);
}
void codes_of(const BlockQ4_K& block, uint8_t* q) {
  for (int i = 0; i < 256; ++i) q[i] = static_cast<uint8_t>(block.qs[i / 64 * 32 + i % 32] >> 4 * (i / 32 % 2) & 15);
}
void codes_of(const BlockQ5_K& block, uint8_t* q) {
  for (int i = 0; i < 256; ++i) {
    const int low = block.qs[i / 64 * 32 + i % 32] >> 4 * (i / 32 % 2) & 15;
    q[i] = static_cast<uint8_t>(low | (block.qh[i % 32] >> i / 32 & 1) << 4);
  }
}
void codes_of(const BlockQ6_K& block, uint8_t* q) {
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128, low = block.ql[64 * half + i % 64] >> 4 * (i / 64 % 2) & 15;
    q[i] = static_cast<uint8_t>(low | (block.qh[32 * half + i % 32] >> 2 * (i / 32 % 4) & 3) << 4);
  }
}

// Steps of four columns; `r` is the row, q the 32 codes of its sub-block.

void put_low_bits(const uint8_t* q, size_t r, uint8_t (*qs)[64]) {
  for (size_t p = 0; p < 4; ++p) {
    for (size_t t = 0; t < 4; ++t) {
      qs[p][4 * r + t] = static_cast<uint8_t>((q[8 * p + t] & 15) | (q[8 * p + 4 + t] & 15) << 4);
    }
  }
}

void put_fifth_bit(const uint8_t* q, size_t r, uint8_t* qh) {
  for (size_t t = 0; t < 4; ++t) {
    int bits = 0;
    for (size_t i = 0; i < 8; ++i) bits |= (q[4 * i + t] >> 4) << i;
    qh[4 * r + t] = static_cast<uint8_t>(bits);
  }
}

void put_sixth_bits(const uint8_t* q, size_t r, uint8_t (*qh)[64]) {
  for (size_t h = 0; h < 2; ++h) {
    for (size_t t = 0; t < 4; ++t) {
      int bits = 0;
      for (size_t i = 0; i < 4; ++i) bits |= (q[16 * h + 4 * i + t] >> 4) << 2 * i;
      qh[h][4 * r + t] = static_cast<uint8_t>(bits);
    }
  }
}

void put_scales(const uint8_t packed[12], size_t r, PackedScales& out) {
  uint8_t scales[8], mins[8];
  unpack_scales_mins(packed, scales, mins);
  for (size_t s = 0; s < 8; ++s) out.low[s][r] = static_cast<uint8_t>((scales[s] & 15) | (mins[s] & 15) << 4);
  for (size_t i = 0; i < 4; ++i) {
    out.high[i][r] = static_cast<uint8_t>(scales[2 * i] >> 4 | mins[2 * i] >> 4 << 2 | scales[2 * i + 1] >> 4 << 4 |
                                          mins[2 * i + 1] >> 4 << 6);
  }
}

void put(const BlockQ4_0& block, const uint8_t* q, size_t r, PackedQ4_0& out) {
  out.d[r] = block.d;
  put_low_bits(q, r, out.qs);
}
void put(const BlockQ4_1& block, const uint8_t* q, size_t r, PackedQ4_1& out) {
  out.d[r] = block.d, out.m[r] = block.m;
  put_low_bits(q, r, out.qs);
}
void put(const BlockQ5_0& block, const uint8_t* q, size_t r, PackedQ5_0& out) {
  out.d[r] = block.d;
  put_low_bits(q, r, out.qs);
  put_fifth_bit(q, r, out.qh);
}
void put(const BlockQ5_1& block, const uint8_t* q, size_t r, PackedQ5_1& out) {
  out.d[r] = block.d, out.m[r] = block.m;
  put_low_bits(q, r, out.qs);
  put_fifth_bit(q, r, out.qh);
}
void put(const BlockQ8_0& block, const uint8_t* q, size_t r, PackedQ8_0& out) {
  out.d[r] = block.d;
  for (size_t i = 0; i < 8; ++i) memcpy(&out.qs[i][4 * r], q + 4 * i, 4);
}
void put(const BlockQ4_K& block, const uint8_t* q, size_t r, PackedQ4_K& out) {
  out.d[r] = block.d, out.dmin[r] = block.dmin;
  put_scales(block.scales, r, out.scales);
  for (size_t s = 0; s < 8; ++s) put_low_bits(q + 32 * s, r, out.sub[s].qs);
}
void put(const BlockQ5_K& block, const uint8_t* q, size_t r, PackedQ5_K& out) {
  out.d[r] = block.d, out.dmin[r] = block.dmin;
  put_scales(block.scales, r, out.scales);
  for (size_t s = 0; s < 8; ++s) {
    put_low_bits(q + 32 * s, r, out.sub[s].qs);
    put_fifth_bit(q + 32 * s, r, out.sub[s].qh);
  }
}
void put(const BlockQ6_K& block, const uint8_t* q, size_t r, PackedQ6_K& out) {
  out.d[r] = block.d;
  for (size_t s = 0; s < 16; ++s) out.sub[s / 2].scales[s % 2][r] = block.scales[s];
  for (size_t s = 0; s < 8; ++s) {
    put_low_bits(q + 32 * s, r, out.sub[s].qs);
    put_sixth_bits(q + 32 * s, r, out.sub[s].qh);
  }
}

template <class Block, class Unit>
void pack_group(const void* rows, size_t n_rows, size_t n_cols, void* out) {
  static_assert(sizeof(Unit) == kPackedRows * sizeof(Block) && Unit::kElements == Block::kElements);
  const size_t n_units = n_cols / Block::kElements;
  const Block* blocks = static_cast<const Block*>(rows);
  Unit* units = static_cast<Unit*>(out);
  if (n_rows < kPackedRows) memset(out, 0, n_units * sizeof(Unit));
  for (size_t u = 0; u < n_units; ++u) {
    for (size_t r = 0; r < n_rows; ++r) {
      const Block& block = blocks[r * n_units + u];
      uint8_t q[Block::kElements];
      codes_of(block, q);
      put(block, q, r, units[u]);
    }
  }
}

// The way back. The column's place in its sub-block of 32: step i, byte t.

int low_bits(const uint8_t (*qs)[64], size_t r, int column) {
  const int i = column / 4 % 8, t = column % 4;
  return qs[i / 2][4 * r + static_cast<size_t>(t)] >> 4 * (i % 2) & 15;
}
int fifth_bit(const uint8_t* qh, size_t r, int column) {
  return qh[4 * r + static_cast<size_t>(column % 4)] >> column / 4 % 8 & 1;
}
int sixth_bits(const uint8_t (*qh)[64], size_t r, int column) {
  return qh[column / 16 % 2][4 * r + static_cast<size_t>(column % 4)] >> 2 * (column / 4 % 4) & 3;
}
float scale_of(const PackedScales& scales, size_t r, int s) {
  return static_cast<float>((scales.low[s][r] & 15) | (scales.high[s / 2][r] >> 4 * (s % 2) & 3) << 4);
}
float min_of(const PackedScales& scales, size_t r, int s) {
  return static_cast<float>(scales.low[s][r] >> 4 | (scales.high[s / 2][r] >> (4 * (s % 2) + 2) & 3) << 4);
}

float value(const PackedQ4_0& unit, size_t r, int c) {
  return half_to_float(unit.d[r]) * static_cast<float>(low_bits(unit.qs, r, c) - 8);
}
float value(const PackedQ4_1& unit, size_t r, int c) {
  return half_to_float(unit.d[r]) * static_cast<float>(low_bits(unit.qs, r, c)) + half_to_float(unit.m[r]);
}
float value(const PackedQ5_0& unit, size_t r, int c) {
  const int q = low_bits(unit.qs, r, c) | fifth_bit(unit.qh, r, c) << 4;
  return half_to_float(unit.d[r]) * static_cast<float>(q - 16);
}
float value(const PackedQ5_1& unit, size_t r, int c) {
  const int q = low_bits(unit.qs, r, c) | fifth_bit(unit.qh, r, c) << 4;
  return half_to_float(unit.d[r]) * static_cast<float>(q) + half_to_float(unit.m[r]);
}
float value(const PackedQ8_0& unit, size_t r, int c) {
  const int q = unit.qs[c / 4][4 * r + static_cast<size_t>(c % 4)];
  return half_to_float(unit.d[r]) * static_cast<float>(q - 128);
}
float value(const PackedQ4_K& unit, size_t r, int c) {
  const int s = c / 32;
  const float scale = half_to_float(unit.d[r]) * scale_of(unit.scales, r, s);
  const float min = half_to_float(unit.dmin[r]) * min_of(unit.scales, r, s);
  return scale * static_cast<float>(low_bits(unit.sub[s].qs, r, c)) - min;
}
float value(const PackedQ5_K& unit, size_t r, int c) {
  const int s = c / 32, q = low_bits(unit.sub[s].qs, r, c) | fifth_bit(unit.sub[s].qh, r, c) << 4;
  const float scale = half_to_float(unit.d[r]) * scale_of(unit.scales, r, s);
  const float min = half_to_float(unit.dmin[r]) * min_of(unit.scales, r, s);
  return scale * static_cast<float>(q) - min;
}
float value(const PackedQ6_K& unit, size_t r, int c) {
  const int s = c / 32, q = low_bits(unit.sub[s].qs, r, c) | sixth_bits(unit.sub[s].qh, r, c) << 4;
  const float scale = half_to_float(unit.d[r]) * static_cast<float>(unit.sub[s].scales[c / 16 % 2][r]);
  return scale * static_cast<float>(q - 32);
}

template <class Unit>
void unpack_row(const void* group, size_t row, size_t n_cols, float* out) {
  const Unit* units = static_cast<const Unit*>(group);
  for (size_t u = 0; u < n_cols / Unit::kElements; ++u) {
    for (int c = 0; c < Unit::kElements; ++c) *out++ = value(units[u], row, c);
  }
}

template <class Block, class Unit>
constexpr Pack kPack = {pack_group<Block, Unit>, unpack_row<Unit>};

}  // namespace

Pack select_pack(DType dtype) {
  switch (dtype) {
    case DType::kQ4_0:
      return kPack<BlockQ4_0, PackedQ4_0>;
    case DType::kQ4_1:
      return kPack<BlockQ4_1, PackedQ4_1>;
    case DType::kQ5_0:
      return kPack<BlockQ5_0, PackedQ5_0>;
    case DType::kQ5_1:
      return kPack<BlockQ5_1, PackedQ5_1>;
    case DType::kQ8_0:
      return kPack<BlockQ8_0, PackedQ8_0>;
    case DType::kQ4_K:
      return kPack<BlockQ4_K, PackedQ4_K>;
    case DType::kQ5_K:
      return kPack<BlockQ5_K, PackedQ5_K>;
    case DType::kQ6_K:
      return kPack<BlockQ6_K, PackedQ6_K>;
    default:
      return {};
  }
}

}  // namespace sain::kernels
