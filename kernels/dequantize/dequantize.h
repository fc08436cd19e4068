// Rows of any tensor type to f32, by the formulas in kernels/blocks.h: exact, every step rounded to f32 as written.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/dtype.h"
#include "kernels/isa.h"

namespace sain::kernels {

/// Writes `n` floats from the n / block_size blocks at `blocks`. `n` must be a multiple of the block size; at 0
/// nothing is touched. `blocks` and `out` may have any alignment and must not overlap.
using DequantizeRow = void (*)(const void* blocks, float* out, size_t n);

/// A DequantizeRow for each DType; null for numbers that are none.
struct DequantizeTable {
  static constexpr uint32_t kSize = static_cast<uint32_t>(DType::kMXFP4) + 1;
  DequantizeRow rows[kSize] = {};

  struct Entry {
    DType dtype;
    DequantizeRow row;
  };
  template <size_t n>
  static constexpr DequantizeTable of(const Entry (&entries)[n]) {
    DequantizeTable table;
    for (const Entry& entry : entries) table.rows[static_cast<uint32_t>(entry.dtype)] = entry.row;
    return table;
  }

  DequantizeRow operator[](DType dtype) const { return rows[static_cast<uint32_t>(dtype)]; }
};

/// The table for `isa`, which is never kAuto; all tables give the same bits (a NaN's payload and sign are open).
DequantizeTable select_dequantize(Isa isa);

}  // namespace sain::kernels
