// A model's matrices as the shaders read them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/thread_pool.h"
#include "engine/vulkan/memory.h"
#include "engine/vulkan/uploader.h"
#include "engine/weights.h"
#include "kernels/dequantize/dequantize.h"

namespace sain::engine::vulkan {

/// The type that the shaders read a matrix in: its own where it has a packed form (kernels/packed.h) or is F32, else
/// F16.
DType device_type(DType dtype);

/// Bytes of 16 rows of a device_type(); shaders/interface.h has the layout.
uint64_t device_group_bytes(DType dtype, size_t cols);

/// (rows, cols) in groups of 16 rows, in pieces that are each small enough for a binding. Owns nothing.
struct DeviceMatrix {
  struct Piece {
    Slice slice;
    uint32_t first_row, n_rows;  // 16 rows a group but for the last
  };
  DType dtype = DType::kF32;
  uint32_t rows = 0, cols = 0;  // of one where two are interleaved
  std::vector<Piece> pieces = {};
};

/// The most bytes that place() takes for the same matrices.
uint64_t device_matrix_bytes(const WeightMatrix& w, size_t n_interleaved = 1);

/// Takes memory of kWeights for `matrices` and has them brought there, until Uploader::finish(): one, or two of one
/// shape and device_type() whose groups alternate (gate and up). `pool` converts what is not packed. A piece has at
/// most `piece_bytes`: Capabilities::piece_bytes(). Errors: kUnsupported (columns that are no multiple of 4, or 16 rows
/// are more than that), those of Arena and Uploader.
Result<DeviceMatrix> place(uint64_t piece_bytes, Arena& arena, Uploader& uploader,
                           const kernels::DequantizeTable& dequantize, ThreadPool& pool,
                           std::span<const WeightMatrix* const> matrices);

}  // namespace sain::engine::vulkan
