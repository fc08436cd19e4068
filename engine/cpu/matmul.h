// y = x W^T for quantized W, over all threads of a pool.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/adapter.h"
#include "engine/aligned_buffer.h"
#include "engine/thread_pool.h"
#include "engine/tuning.h"
#include "engine/weights.h"
#include "kernels/kernel_set.h"
#include "kernels/matrix_view.h"

namespace sain::engine::cpu {

enum class Arithmetic {
  kInt8,  // x rounded to 8 bits in blocks of 32, where W has a packed form
  kF32,   // x as it is: the reference
};

/// Owns the rounded x, what adapters make of it, and a piece of scratch for each thread of `pool`.
class Matmul {
 public:
  /// `max_cols`: the longest weight row that will be multiplied; `max_tokens`: the most rows that x will have;
  /// `max_rank`: of adapters, 0 where there are none.
  static Result<Matmul> create(const kernels::KernelSet& kernels, ThreadPool& pool, Arithmetic arithmetic,
                               size_t max_cols, size_t max_tokens, const Tuning& tuning, size_t max_rank = 0);

  /// y[t][r] = sum over k of w[r][k] x[t][k] (+ bias[r], unless `bias` is empty; + scale * B (A x), unless `low_rank`
  /// is).
  struct Product {
    const WeightMatrix* w;
    const WeightVector* bias;
    MatrixView<float> y;  // (n_tokens, w->rows)
    const LowRank* low_rank = nullptr;

    bool is_adapted() const { return low_rank != nullptr && *low_rank; }
  };
  static constexpr size_t kMaxProducts = 3;  // at once, with adapters

  /// Up to so many rows of x, each row's product with `w` is the same bits as it would be alone.
  static size_t alike_rows(const kernels::KernelSet& kernels, Arithmetic arithmetic, const WeightMatrix& w);

  /// All `products` of the same x, (n_tokens, cols of each w), in one loop over the threads. No y may overlap x.
  void operator()(std::span<const Product> products, MatrixView<const float> x);

  /// y[t] += scale * B A[rows[t]]: what an adapter adds to embeddings.
  void add_rows(const LowRank& low_rank, std::span<const int32_t> rows, MatrixView<float> y);

 private:
  void quantize(MatrixView<const float> x);
  void narrow(std::span<const Product> products, MatrixView<const float> x);
  void widen(const LowRank& low_rank, MatrixView<const float> narrow, MatrixView<float> y, size_t first_group,
             size_t n_groups, float* scratch) const;
  void multiply(const Product& product, MatrixView<const float> x, MatrixView<const float> narrow, size_t first_group,
                size_t n_groups, unsigned thread) const;
  void rows_by_dot(const WeightMatrix& w, MatrixView<const float> x, MatrixView<float> y, size_t begin, size_t end,
                   float* scratch) const;
  void rows_by_tile(const WeightMatrix& w, MatrixView<const float> x, MatrixView<float> y, size_t begin, size_t end,
                    float* scratch) const;
  MatrixView<float> narrow_of(size_t product, size_t n_tokens) const {
    return {narrow_.as<float>() + product * max_tokens_ * max_rank_, n_tokens, max_rank_};
  }
  float* scratch_of(unsigned thread) const {
    return reinterpret_cast<float*>(scratch_.as<std::byte>() + thread * scratch_bytes_);
  }
  bool is_packed(const WeightMatrix& w) const { return is_packed(arithmetic_, w); }
  static bool is_packed(Arithmetic arithmetic, const WeightMatrix& w) {
    return arithmetic == Arithmetic::kInt8 && w.packed != nullptr;
  }

  const kernels::KernelSet* kernels_ = nullptr;
  ThreadPool* pool_ = nullptr;
  Arithmetic arithmetic_ = Arithmetic::kF32;
  Tuning tuning_;
  AlignedBuffer panels_;   // x in 8 bits
  AlignedBuffer scratch_;  // (n_threads, scratch_bytes_)
  size_t scratch_bytes_ = 0;
  AlignedBuffer narrow_;  // (kMaxProducts, max_tokens_, max_rank_): scale * A x
  size_t max_tokens_ = 0, max_rank_ = 0;
};

}  // namespace sain::engine::cpu
