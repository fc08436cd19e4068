// Weights from the layout of a GGUF file to the packed one of kernels/packed.h, and single rows back to f32.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/dtype.h"
#include "kernels/packed.h"

namespace sain::kernels {

/// Packs `n_rows` (1 to 16) consecutive rows of `n_cols` elements, a multiple of the block size, into one group of
/// packed_group_bytes() at `out`. Rows that are missing become zeros.
using PackGroup = void (*)(const void* rows, size_t n_rows, size_t n_cols, void* out);

/// Writes row `row` (0 to 15) of the group as f32: the same bits as a DequantizeRow of the original.
using UnpackRow = void (*)(const void* group, size_t row, size_t n_cols, float* out);

struct Pack {
  PackGroup group = nullptr;
  UnpackRow row = nullptr;
};

/// For types of which is_packable() is true; null functions for others. One version serves every machine: packing
/// happens once in a model's life.
Pack select_pack(DType dtype);

}  // namespace sain::kernels
