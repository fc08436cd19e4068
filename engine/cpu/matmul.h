// y = x W^T for quantized W, over all threads of a pool.
#pragma once

#include <cstddef>
#include <span>

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

/// Owns the rounded x and a piece of scratch for each thread of `pool`.
class Matmul {
 public:
  /// `max_cols`: the longest weight row that will be multiplied; `max_tokens`: the most rows that x will have.
  static Result<Matmul> create(const kernels::KernelSet& kernels, ThreadPool& pool, Arithmetic arithmetic,
                               size_t max_cols, size_t max_tokens, const Tuning& tuning);

  /// y[t][r] = sum over k of w[r][k] x[t][k] (+ bias[r], unless `bias` is empty).
  struct Product {
    const WeightMatrix* w;
    const WeightVector* bias;
    MatrixView<float> y;  // (n_tokens, w->rows)
  };

  /// Up to so many rows of x, each row's product with `w` is the same bits as it would be alone.
  size_t alike_rows(const WeightMatrix& w) const;

  /// All `products` of the same x, (n_tokens, cols of each w), in one loop over the threads. No y may overlap x.
  void operator()(std::span<const Product> products, MatrixView<const float> x);

 private:
  void quantize(MatrixView<const float> x);
  void multiply(const Product& product, MatrixView<const float> x, size_t first_group, size_t n_groups,
                unsigned thread) const;
  void rows_by_dot(const WeightMatrix& w, MatrixView<const float> x, MatrixView<float> y, size_t begin, size_t end,
                   float* scratch) const;
  void rows_by_tile(const WeightMatrix& w, MatrixView<const float> x, MatrixView<float> y, size_t begin, size_t end,
                    float* scratch) const;
  bool is_packed(const WeightMatrix& w) const { return arithmetic_ == Arithmetic::kInt8 && w.packed != nullptr; }

  const kernels::KernelSet* kernels_ = nullptr;
  ThreadPool* pool_ = nullptr;
  Arithmetic arithmetic_ = Arithmetic::kF32;
  Tuning tuning_;
  AlignedBuffer panels_;   // x in 8 bits
  AlignedBuffer scratch_;  // (n_threads, scratch_bytes_)
  size_t scratch_bytes_ = 0;
};

}  // namespace sain::engine::cpu
