#include "engine/vulkan/matrix.h"

#include <algorithm>
#include <cstring>

#include "kernels/half.h"
#include "kernels/pack/pack.h"
#include "kernels/packed.h"
#include "shaders/interface.h"

namespace sain::engine::vulkan {
namespace {

using kernels::is_packable;
using kernels::kPackedRows;
static_assert(kPackedRows == shaders::kGroupRows);

/// A thread's own room to convert a group in.
struct Scratch {
  Scratch(size_t cols, uint64_t group_bytes) : row(cols), group(group_bytes) {}
  std::vector<float> row;
  std::vector<std::byte> group;
};

/// Group `g` of `w` in the layout of the shaders; rows that are missing become zeros. Fills scratch.group.
void convert_group(const WeightMatrix& w, size_t g, const kernels::DequantizeTable& dequantize, Scratch& scratch) {
  const size_t first = g * kPackedRows, n = std::min(w.rows - first, kPackedRows);
  std::vector<std::byte>& out = scratch.group;
  if (is_packable(w.dtype)) {
    kernels::select_pack(w.dtype).group(w.row(first), n, w.cols, out.data());
    return;
  }
  std::ranges::fill(out, std::byte{0});
  const bool is_f32 = device_type(w.dtype) == DType::kF32;
  for (size_t r = 0; r < n; ++r) {
    dequantize[w.dtype](w.row(first + r), scratch.row.data(), w.cols);
    for (size_t i = 0; i < w.cols; ++i) {
      const size_t at = i / 4 * 64 + r * 4 + i % 4;
      const float value = scratch.row[i];
      const uint16_t half = kernels::float_to_half(std::clamp(value, -65504.0f, 65504.0f));
      is_f32 ? std::memcpy(&out[at * 4], &value, 4) : std::memcpy(&out[at * 2], &half, 2);
    }
  }
}

/// The same at `out`, written front to back. What is not packed yet takes shape elsewhere first: that goes to and fro,
/// and mapped memory is slow at it.
void write_group(const WeightMatrix& w, size_t g, const kernels::DequantizeTable& dequantize, Scratch& scratch,
                 std::byte* out) {
  const uint64_t bytes = scratch.group.size();
  if (w.packed == nullptr) convert_group(w, g, dequantize, scratch);
  std::memcpy(out, w.packed != nullptr ? w.packed + g * bytes : scratch.group.data(), bytes);
}

}  // namespace

DType device_type(DType dtype) {
  return is_packable(dtype) || dtype == DType::kF32 ? dtype : DType::kF16;
}

uint64_t device_group_bytes(DType dtype, size_t cols) {
  const size_t padded = is_packable(dtype) ? cols : (cols + 31) / 32 * 32;
  return kPackedRows * row_bytes(dtype, padded);
}

uint64_t device_matrix_bytes(const WeightMatrix& w, size_t n_interleaved) {
  constexpr uint64_t kRounding = 4096;  // of its pieces
  return n_interleaved * kernels::packed_groups(w.rows) * device_group_bytes(device_type(w.dtype), w.cols) + kRounding;
}

Result<DeviceMatrix> place(uint64_t piece_bytes, Arena& arena, Uploader& uploader,
                           const kernels::DequantizeTable& dequantize, ThreadPool& pool,
                           std::span<const WeightMatrix* const> matrices) {
  const WeightMatrix& w = *matrices[0];
  for (const WeightMatrix* other : matrices) {
    SAIN_CHECK(other->rows == w.rows && other->cols == w.cols && device_type(other->dtype) == device_type(w.dtype));
  }
  if (w.cols % 4 != 0) {
    return make_error(ErrorCode::kUnsupported, "vulkan: {}: {} columns, a multiple of 4 is needed", w.name, w.cols);
  }
  DeviceMatrix placed = {
      .dtype = device_type(w.dtype), .rows = static_cast<uint32_t>(w.rows), .cols = static_cast<uint32_t>(w.cols)};
  const uint64_t group_bytes = device_group_bytes(placed.dtype, w.cols), step_bytes = group_bytes * matrices.size();
  const size_t n_groups = kernels::packed_groups(w.rows), piece_groups = piece_bytes / step_bytes;
  if (piece_groups == 0) {
    return make_error(ErrorCode::kUnsupported,
                      "vulkan: {}: 16 rows of {} columns are more than the {} bytes of a buffer", w.name, w.cols,
                      piece_bytes);
  }
  std::vector<Scratch> scratch(pool.n_threads(), Scratch(w.cols, group_bytes));
  for (size_t first = 0; first < n_groups; first += piece_groups) {
    const size_t n = std::min(piece_groups, n_groups - first);
    SAIN_ASSIGN_OR_RETURN(const Slice slice, arena.allocate(n * step_bytes));
    placed.pieces.push_back({slice, static_cast<uint32_t>(first * kPackedRows),
                             static_cast<uint32_t>(std::min(n * kPackedRows, w.rows - first * kPackedRows))});
    if (matrices.size() == 1 && w.packed != nullptr) {
      SAIN_RETURN_IF_ERROR(uploader.write(slice, {w.packed + first * group_bytes, n * group_bytes}));
      continue;
    }
    const auto fill = [&](size_t step, size_t n_steps, std::byte* out) {
      pool.parallel_for(n_steps * matrices.size(), 1, [&](unsigned thread, size_t i, size_t) {
        const WeightMatrix& matrix = *matrices[i % matrices.size()];
        write_group(matrix, first + step + i / matrices.size(), dequantize, scratch[thread], out + i * group_bytes);
      });
    };
    SAIN_RETURN_IF_ERROR(uploader.write(slice, step_bytes, fill));
  }
  return placed;
}

}  // namespace sain::engine::vulkan
