#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/gemm_packed/gemm_packed.h"
#include "kernels/gemm_packed/versions.h"
#include "kernels/half.h"

namespace sain::kernels {
namespace {

/// 32 columns of one row: x = scale[column / 16] * (q - offset) - min
struct SubBlock {
  uint8_t q[32];
  float scale[2];
  float min;
  int offset;
};

void unpack_low(const uint8_t (*qs)[64], size_t r, uint8_t* q) {
  for (size_t c = 0; c < 32; ++c) q[c] = qs[c / 8][4 * r + c % 4] >> 4 * (c / 4 % 2) & 15;
}
void add_fifth(const uint8_t* qh, size_t r, uint8_t* q) {
  for (size_t c = 0; c < 32; ++c) q[c] = static_cast<uint8_t>(q[c] | (qh[4 * r + c % 4] >> c / 4 & 1) << 4);
}
void set_scale(uint16_t d, int offset, SubBlock& b) {
  b.scale[0] = b.scale[1] = half_to_float(d);
  b.offset = offset;
}
void set_scale_min(uint16_t d, uint16_t m, SubBlock& b) {
  set_scale(d, 0, b);
  b.min = -half_to_float(m);
}
void set_scale_min(uint16_t d, uint16_t dmin, const PackedScales& scales, size_t s, size_t r, SubBlock& b) {
  const int high = scales.high[s / 2][r] >> 4 * (s % 2);
  b.scale[0] = b.scale[1] = half_to_float(d) * static_cast<float>((scales.low[s][r] & 15) | (high & 3) << 4);
  b.min = half_to_float(dmin) * static_cast<float>(scales.low[s][r] >> 4 | (high >> 2 & 3) << 4);
}

void unpack(const PackedQ4_0& u, size_t, size_t r, SubBlock& b) {
  unpack_low(u.qs, r, b.q);
  set_scale(u.d[r], 8, b);
}
void unpack(const PackedQ4_1& u, size_t, size_t r, SubBlock& b) {
  unpack_low(u.qs, r, b.q);
  set_scale_min(u.d[r], u.m[r], b);
}
void unpack(const PackedQ5_0& u, size_t, size_t r, SubBlock& b) {
  unpack_low(u.qs, r, b.q);
  add_fifth(u.qh, r, b.q);
  set_scale(u.d[r], 16, b);
}
void unpack(const PackedQ5_1& u, size_t, size_t r, SubBlock& b) {
  unpack_low(u.qs, r, b.q);
  add_fifth(u.qh, r, b.q);
  set_scale_min(u.d[r], u.m[r], b);
}
void unpack(const PackedQ8_0& u, size_t, size_t r, SubBlock& b) {
  for (size_t c = 0; c < 32; ++c) b.q[c] = u.qs[c / 4][4 * r + c % 4];
  set_scale(u.d[r], 128, b);
}
void unpack(const PackedQ4_K& u, size_t s, size_t r, SubBlock& b) {
  unpack_low(u.sub[s].qs, r, b.q);
  set_scale_min(u.d[r], u.dmin[r], u.scales, s, r, b);
}
void unpack(const PackedQ5_K& u, size_t s, size_t r, SubBlock& b) {
  unpack_low(u.sub[s].qs, r, b.q);
  add_fifth(u.sub[s].qh, r, b.q);
  set_scale_min(u.d[r], u.dmin[r], u.scales, s, r, b);
}
void unpack(const PackedQ6_K& u, size_t s, size_t r, SubBlock& b) {
  unpack_low(u.sub[s].qs, r, b.q);
  for (size_t c = 0; c < 32; ++c) {
    b.q[c] = static_cast<uint8_t>(b.q[c] | (u.sub[s].qh[c / 16][4 * r + c % 4] >> 2 * (c / 4 % 4) & 3) << 4);
  }
  for (size_t h = 0; h < 2; ++h) {
    b.scale[h] = half_to_float(u.d[r]) * static_cast<float>(u.sub[s].scales[h][r]);
  }
  b.offset = 32;
}

/// What one block of one row adds to one token's result; `record` is the block's, of a panel of n_tokens.
float product(const SubBlock& w, const uint8_t* record, size_t n_tokens, size_t token) {
  int dot[2] = {0, 0}, sum[2] = {0, 0}, y_sum = 0;
  for (size_t c = 0; c < 32; ++c) {
    const int y = static_cast<int8_t>(record[4 * (c / 4 * n_tokens + token) + c % 4]);
    const int q = w.q[c] - w.offset;
    dot[c / 16] += q * y;
    sum[c / 16] += q;
    y_sum += y;
  }
  float scale, zero;
  memcpy(&scale, record + q8_offset(Q8Field::kScale, n_tokens, token), 4);
  memcpy(&zero, record + q8_offset(Q8Field::kZero, n_tokens, token), 4);
  const float w_sum = w.scale[0] * static_cast<float>(sum[0]) + w.scale[1] * static_cast<float>(sum[1]) - 32 * w.min;
  const float scaled = w.scale[0] * static_cast<float>(dot[0]) + w.scale[1] * static_cast<float>(dot[1]);
  return scale * (scaled - w.min * static_cast<float>(y_sum)) + zero * w_sum;
}

constexpr size_t kPanelTokens = 4;

template <class Unit>
void gemm(const GemmPackedArgs& args) {
  const size_t n_units = args.n_cols / Unit::kElements, n_records = args.n_cols / kQ8Block;
  const Unit* units = static_cast<const Unit*>(args.weights);
  for (size_t row = 0; row < args.n_rows; ++row) {
    const Unit* group = units + row / kPackedRows * n_units;
    const uint8_t* panel = static_cast<const uint8_t*>(args.panels);
    for (size_t first = 0; first < args.n_tokens; first += kPanelTokens) {
      const size_t width = args.n_tokens - first < kPanelTokens ? args.n_tokens - first : kPanelTokens;
      float y[kPanelTokens] = {};
      for (size_t b = 0; b < n_records; ++b) {
        constexpr size_t kSubBlocks = Unit::kElements / kQ8Block;
        SubBlock block = {};
        unpack(group[b / kSubBlocks], b % kSubBlocks, row % kPackedRows, block);
        for (size_t c = 0; c < width; ++c) y[c] += product(block, panel + b * q8_record_bytes(width), width, c);
      }
      for (size_t c = 0; c < width; ++c) args.y[(first + c) * args.y_stride + row] = y[c];
      panel += n_records * q8_record_bytes(width);
    }
  }
}

constexpr GemmPacked make_table() {
  GemmPacked table;
  table.by_type[static_cast<size_t>(DType::kQ4_0)] = gemm<PackedQ4_0>;
  table.by_type[static_cast<size_t>(DType::kQ4_1)] = gemm<PackedQ4_1>;
  table.by_type[static_cast<size_t>(DType::kQ5_0)] = gemm<PackedQ5_0>;
  table.by_type[static_cast<size_t>(DType::kQ5_1)] = gemm<PackedQ5_1>;
  table.by_type[static_cast<size_t>(DType::kQ8_0)] = gemm<PackedQ8_0>;
  table.by_type[static_cast<size_t>(DType::kQ4_K)] = gemm<PackedQ4_K>;
  table.by_type[static_cast<size_t>(DType::kQ5_K)] = gemm<PackedQ5_K>;
  table.by_type[static_cast<size_t>(DType::kQ6_K)] = gemm<PackedQ6_K>;
  table.panel_tokens = kPanelTokens;
  table.alike_tokens = SIZE_MAX;
  return table;
}

}  // namespace

const GemmPacked kGemmPackedScalar = make_table();

}  // namespace sain::kernels
