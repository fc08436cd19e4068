// The packed form of quantized weights, byte for byte as in memory and in a sidecar file (formats/packed.md).
//
// 16 rows are interleaved into a group, so that one vector instruction works on all of them at once. A group is a run
// of units; a unit holds kElements columns of each row. Where a field has a [16], that is the row. Codes are unsigned
// and come in steps of four columns: byte 4 * r + t of step i is column 4 * i + t of row r, 64 bytes a step.
//
//   qs[p]        bits 0..3: step 2p in the low halves, step 2p + 1 in the high halves
//   qh           the bits above: of 5-bit codes bit i of byte 4 * r + t belongs to step i; of 6-bit codes bits 2i and
//                2i + 1 of byte 4 * r + t of qh[h] belong to step 4 * h + i
//
// Structs have no padding, and any even address will do. The last group of a matrix is filled up with rows of zeros.
// Values are the same as in kernels/blocks.h, bit for bit.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/dtype.h"

namespace sain::kernels {

inline constexpr size_t kPackedRows = 16;

/// x = d * (q - 8)
struct PackedQ4_0 {
  static constexpr int kElements = 32;
  uint16_t d[16];  // f16, here and below
  uint8_t qs[4][64];
};

/// x = d * q + m
struct PackedQ4_1 {
  static constexpr int kElements = 32;
  uint16_t d[16], m[16];
  uint8_t qs[4][64];
};

/// x = d * (q - 16)
struct PackedQ5_0 {
  static constexpr int kElements = 32;
  uint16_t d[16];
  uint8_t qh[64];
  uint8_t qs[4][64];
};

/// x = d * q + m
struct PackedQ5_1 {
  static constexpr int kElements = 32;
  uint16_t d[16], m[16];
  uint8_t qh[64];
  uint8_t qs[4][64];
};

/// x = d * (q - 128)
struct PackedQ8_0 {
  static constexpr int kElements = 32;
  uint16_t d[16];
  uint8_t qs[8][64];  // a step each
};

/// The 6-bit scales and mins of 8 sub-blocks of 32 columns.
struct PackedScales {
  uint8_t low[8][16];   // sub-block s: bits 0..3 of its scale in the low half, of its min in the high half
  uint8_t high[4][16];  // bits 4 and 5: of scale and min of sub-block 2 * i in the low half, of 2 * i + 1 in the high
};

/// x = (d * scale) * q - (dmin * min)
struct PackedQ4_K {
  static constexpr int kElements = 256;
  uint16_t d[16], dmin[16];
  PackedScales scales;
  struct {
    uint8_t qs[4][64];
  } sub[8];  // sub-blocks of 32 columns
};

/// x = (d * scale) * q - (dmin * min)
struct PackedQ5_K {
  static constexpr int kElements = 256;
  uint16_t d[16], dmin[16];
  PackedScales scales;
  struct {
    uint8_t qh[64];
    uint8_t qs[4][64];
  } sub[8];
};

/// x = (d * scale) * (q - 32)
struct PackedQ6_K {
  static constexpr int kElements = 256;
  uint16_t d[16];
  struct {
    int8_t scales[2][16];  // of 16 columns each
    uint8_t qh[2][64];
    uint8_t qs[4][64];
  } sub[8];
};

static_assert(sizeof(PackedQ4_0) == 288 && sizeof(PackedQ4_1) == 320 && sizeof(PackedQ5_0) == 352);
static_assert(sizeof(PackedQ5_1) == 384 && sizeof(PackedQ8_0) == 544 && sizeof(PackedQ4_K) == 2304);
static_assert(sizeof(PackedQ5_K) == 2816 && sizeof(PackedQ6_K) == 3360);

/// Whether tensors of this type have a packed form. It takes kPackedRows times the bytes of a block.
constexpr bool is_packable(DType dtype) {
  switch (dtype) {
    case DType::kQ4_0:
    case DType::kQ4_1:
    case DType::kQ5_0:
    case DType::kQ5_1:
    case DType::kQ8_0:
    case DType::kQ4_K:
    case DType::kQ5_K:
    case DType::kQ6_K:
      return true;
    default:
      return false;
  }
}

/// Bytes of one group of a matrix with rows of `cols` elements, a multiple of the block size.
constexpr size_t packed_group_bytes(DType dtype, size_t cols) {
  return kPackedRows * row_bytes(dtype, cols);
}

/// Groups of a matrix of `rows` rows.
constexpr size_t packed_groups(size_t rows) {
  return (rows + kPackedRows - 1) / kPackedRows;
}

}  // namespace sain::kernels
