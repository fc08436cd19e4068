#include "engine/cpu/matmul.h"

#include <algorithm>

namespace sain::engine::cpu {
namespace {

constexpr size_t kRows = kernels::kGemmF32Rows;
// Columns of W that a tile takes at once: a multiple of every block size; 16 rows of it are 32 KiB, dequantized and
// packed 64 KiB, and with 128 tokens of x (256 KiB) they share a 512 KiB L2.
constexpr size_t kTileCols = 512;
// Fewer tokens than this are multiplied row by row: packing a panel would cost more than it saves.
constexpr size_t kTileTokens = 4;

}  // namespace

Result<Matmul> Matmul::create(const kernels::KernelSet& kernels, ThreadPool& pool, size_t max_cols) {
  Matmul matmul;
  matmul.kernels_ = &kernels;
  matmul.pool_ = &pool;
  matmul.scratch_floats_ = std::max(max_cols, 2 * kRows * kTileCols);
  SAIN_ASSIGN_OR_RETURN(
      matmul.scratch_,
      AlignedBuffer::allocate(pool.n_threads() * matmul.scratch_floats_ * sizeof(float), "dequantized rows"));
  return matmul;
}

void Matmul::operator()(const WeightMatrix& w, const WeightVector& bias, MatrixView<const float> x,
                        MatrixView<float> y) const {
  pool_->parallel_for(w.rows, kRows, [&](unsigned thread, size_t begin, size_t end) {
    float* scratch = scratch_.as<float>() + thread * scratch_floats_;
    if (x.rows < kTileTokens) {
      rows_by_dot(w, x, y, begin, end, scratch);
    } else {
      rows_by_tile(w, x, y, begin, end, scratch);
    }
    if (bias.empty()) return;
    for (size_t t = 0; t < x.rows; ++t) {
      for (size_t r = begin; r < end; ++r) y.row(t)[r] += bias[r];
    }
  });
}

void Matmul::rows_by_dot(const WeightMatrix& w, MatrixView<const float> x, MatrixView<float> y, size_t begin,
                         size_t end, float* scratch) const {
  const kernels::DequantizeRow dequantize = kernels_->dequantize[w.dtype];
  for (size_t r = begin; r < end; ++r) {
    dequantize(w.row(r), scratch, w.cols);
    for (size_t t = 0; t < x.rows; ++t) y.row(t)[r] = kernels_->gemm_f32.dot(scratch, x.row(t), w.cols);
  }
}

void Matmul::rows_by_tile(const WeightMatrix& w, MatrixView<const float> x, MatrixView<float> y, size_t begin,
                          size_t end, float* scratch) const {
  const kernels::DequantizeRow dequantize = kernels_->dequantize[w.dtype];
  float* rows = scratch;
  float* panel = scratch + kRows * kTileCols;
  const size_t n_rows = end - begin;
  for (size_t t = 0; t < x.rows; ++t) std::fill_n(y.row(t) + begin, n_rows, 0.0f);
  for (size_t k = 0; k < w.cols; k += kTileCols) {
    const size_t n = std::min(kTileCols, w.cols - k);
    for (size_t r = 0; r < n_rows; ++r) {
      dequantize(w.row(begin + r) + row_bytes(w.dtype, k), rows + r * kTileCols, n);
    }
    kernels_->gemm_f32.pack(rows, kTileCols, n_rows, n, panel);
    kernels_->gemm_f32.tile(panel, n, x.data + k, x.stride, x.rows, y.data + begin, y.stride, n_rows);
  }
}

}  // namespace sain::engine::cpu
