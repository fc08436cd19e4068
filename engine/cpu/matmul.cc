#include "engine/cpu/matmul.h"

#include <algorithm>

namespace sain::engine::cpu {
namespace {

constexpr size_t kRows = kernels::kPackedRows;
static_assert(kernels::kGemmF32Rows == kRows);
// Columns of W that an f32 tile takes at once: a multiple of every block size; 16 rows of it are 32 KiB, dequantized
// and packed 64 KiB, and with 128 tokens of x (256 KiB) they share a 512 KiB L2.
constexpr size_t kTileCols = 512;
// Fewer tokens than this are multiplied row by row: packing a panel would cost more than it saves.
constexpr size_t kTileTokens = 4;
// Tokens of a task where an adapter narrows many, at least: they outweigh the packing of its rows.
constexpr size_t kNarrowTokens = 48;

size_t round_up(size_t n, size_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

size_t panel_bytes(size_t n_tokens, size_t n_cols) {
  return n_cols / kernels::kQ8Block * kernels::q8_record_bytes(n_tokens);
}

}  // namespace

Result<Matmul> Matmul::create(const kernels::KernelSet& kernels, ThreadPool& pool, Arithmetic arithmetic,
                              size_t max_cols, size_t max_tokens, const Tuning& tuning, size_t max_rank) {
  Matmul matmul;
  matmul.kernels_ = &kernels;
  matmul.pool_ = &pool;
  matmul.arithmetic_ = arithmetic;
  matmul.tuning_ = tuning;
  matmul.max_tokens_ = max_tokens;
  matmul.max_rank_ = max_rank;
  const size_t n_floats = std::max({max_cols, 2 * kRows * kTileCols, kRows * max_rank});
  matmul.scratch_bytes_ = round_up(std::max(n_floats * sizeof(float), kernels.gemm_packed.scratch_bytes), 4096);
  SAIN_ASSIGN_OR_RETURN(matmul.scratch_,
                        AlignedBuffer::allocate(pool.n_threads() * matmul.scratch_bytes_, "scratch of the products"));
  if (arithmetic == Arithmetic::kInt8) {
    SAIN_ASSIGN_OR_RETURN(matmul.panels_,
                          AlignedBuffer::allocate(panel_bytes(max_tokens, max_cols), "8-bit activations"));
  }
  if (max_rank != 0) {
    SAIN_ASSIGN_OR_RETURN(matmul.narrow_, AlignedBuffer::allocate(kMaxProducts * max_tokens * max_rank * sizeof(float),
                                                                  "activations of adapters"));
  }
  return matmul;
}

void Matmul::operator()(std::span<const Product> products, MatrixView<const float> x) {
  if (std::ranges::any_of(products, [&](const Product& p) { return is_packed(*p.w); })) quantize(x);
  if (std::ranges::any_of(products, &Product::is_adapted)) narrow(products, x);
  size_t n_groups = 0;
  for (const Product& product : products) n_groups += kernels::packed_groups(product.w->rows);
  const size_t grain = round_up(std::max<size_t>(1, n_groups / (tuning_.ranges_per_thread * pool_->n_threads())),
                                kernels_->gemm_packed.group_step);
  pool_->parallel_for(n_groups, grain, [&](unsigned thread, size_t begin, size_t end) {
    size_t before = 0;  // groups of the products so far
    for (size_t i = 0; i < products.size(); ++i) {
      const size_t n = kernels::packed_groups(products[i].w->rows);
      const size_t first = std::max(begin, before), last = std::min(end, before + n);
      if (first < last) multiply(products[i], x, narrow_of(i, x.rows), first - before, last - first, thread);
      before += n;
    }
  });
}

size_t Matmul::alike_rows(const kernels::KernelSet& kernels, Arithmetic arithmetic, const WeightMatrix& w) {
  return is_packed(arithmetic, w) ? kernels.gemm_packed.alike_tokens : kTileTokens - 1;
}

void Matmul::quantize(MatrixView<const float> x) {
  const size_t panel_tokens = kernels_->gemm_packed.panel_tokens;
  const auto panel = [&](unsigned, size_t begin, size_t end) {
    kernels_->quantize_panel(x.row(begin), x.stride, end - begin, x.cols,
                             panels_.as<std::byte>() + panel_bytes(begin, x.cols));
  };
  if (x.rows <= panel_tokens) return panel(0, 0, x.rows);
  pool_->parallel_for(x.rows, panel_tokens, panel);
}

/// scale * A x of each product with an adapter. The results of a few tokens are those that each would get alone.
void Matmul::narrow(std::span<const Product> products, MatrixView<const float> x) {
  const bool are_few = x.rows <= kernels_->gemm_packed.alike_tokens;
  // Tasks: rows of A, of which there are few, and where that pays blocks of tokens.
  const size_t n_rows = are_few ? kRows / 4 : kRows, n_slices = (max_rank_ + n_rows - 1) / n_rows;
  const size_t block = are_few ? x.rows : std::max(kNarrowTokens, x.rows / (2 * pool_->n_threads()));
  const size_t n_blocks = (x.rows + block - 1) / block;
  pool_->parallel_for(products.size() * n_slices * n_blocks, 1, [&](unsigned thread, size_t task, size_t) {
    const size_t product = task % products.size(), begin = task / products.size() % n_slices * n_rows;
    if (!products[product].is_adapted() || begin >= products[product].low_rank->rank) return;
    const LowRank& low_rank = *products[product].low_rank;
    const size_t end = std::min(begin + n_rows, low_rank.rank);
    const size_t first = task / products.size() / n_slices * block, count = std::min(block, x.rows - first);
    const MatrixView<const float> from(x.row(first), count, x.cols, x.stride);
    const MatrixView<float> to(narrow_of(product, x.rows).row(first), count, max_rank_);
    are_few ? rows_by_dot(low_rank.a, from, to, begin, end, scratch_of(thread))
            : rows_by_tile(low_rank.a, from, to, begin, end, scratch_of(thread));
    for (size_t t = 0; t < count; ++t) kernels_->elementwise.scale(low_rank.scale, to.row(t) + begin, end - begin);
  });
}

/// y += B narrow, for the rows of some groups.
void Matmul::widen(const LowRank& low_rank, MatrixView<const float> narrow, MatrixView<float> y, size_t first_group,
                   size_t n_groups, float* scratch) const {
  const kernels::DequantizeRow dequantize = kernels_->dequantize[low_rank.b_dtype];
  for (size_t g = first_group; g < first_group + n_groups; ++g) {
    const float* panel = reinterpret_cast<const float*>(low_rank.panel(g));
    if (low_rank.b_dtype != DType::kF32) {
      dequantize(panel, scratch, low_rank.rank * kRows);
      panel = scratch;
    }
    kernels_->gemm_f32.tile(panel, low_rank.rank, narrow.data, narrow.stride, narrow.rows, y.data + g * kRows, y.stride,
                            std::min(kRows, low_rank.rows - g * kRows));
  }
}

void Matmul::add_rows(const LowRank& low_rank, std::span<const int32_t> rows, MatrixView<float> y) {
  const MatrixView<float> narrow = narrow_of(0, rows.size());
  for (size_t t = 0; t < rows.size(); ++t) {
    kernels_->dequantize[low_rank.a.dtype](low_rank.a.row(static_cast<size_t>(rows[t])), narrow.row(t), low_rank.rank);
    kernels_->elementwise.scale(low_rank.scale, narrow.row(t), low_rank.rank);
  }
  constexpr size_t kGrain = 8;  // groups
  pool_->parallel_for(kernels::packed_groups(low_rank.rows), kGrain, [&](unsigned thread, size_t begin, size_t end) {
    widen(low_rank, narrow, y, begin, end - begin, scratch_of(thread));
  });
}

void Matmul::multiply(const Product& product, MatrixView<const float> x, MatrixView<const float> narrow,
                      size_t first_group, size_t n_groups, unsigned thread) const {
  const WeightMatrix& w = *product.w;
  const MatrixView<float>& y = product.y;
  float* scratch = scratch_of(thread);
  const size_t begin = first_group * kRows, end = std::min(w.rows, begin + n_groups * kRows);
  if (is_packed(w)) {
    kernels_->gemm_packed[w.dtype]({
        .weights = w.packed + first_group * kernels::packed_group_bytes(w.dtype, w.cols),
        .n_groups = n_groups,
        .n_rows = end - begin,
        .n_cols = w.cols,
        .panels = panels_.as<std::byte>(),
        .n_tokens = x.rows,
        .y = y.data + begin,
        .y_stride = y.stride,
        .scratch = scratch,
        .read_ahead = tuning_.read_ahead_bytes,
        .tile_blocks = tuning_.tile_blocks,
    });
  } else {
    for (size_t r = begin; r < end; r += kRows) {
      const size_t stop = std::min(end, r + kRows);
      x.rows < kTileTokens ? rows_by_dot(w, x, y, r, stop, scratch) : rows_by_tile(w, x, y, r, stop, scratch);
    }
  }
  if (product.is_adapted()) widen(*product.low_rank, narrow, y, first_group, n_groups, scratch);
  if (product.bias == nullptr || product.bias->empty()) return;
  for (size_t t = 0; t < x.rows; ++t) {
    for (size_t r = begin; r < end; ++r) y.row(t)[r] += (*product.bias)[r];
  }
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
