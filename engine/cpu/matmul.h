// y = x W^T with quantized W and f32 x, over all threads of a pool: the reference path.
#pragma once

#include <cstddef>

#include "engine/aligned_buffer.h"
#include "engine/thread_pool.h"
#include "engine/weights.h"
#include "kernels/kernel_set.h"
#include "kernels/matrix_view.h"

namespace sain::engine::cpu {

/// Owns a piece of scratch for each thread of `pool`.
class Matmul {
 public:
  /// `max_cols`: the longest weight row that will be multiplied.
  static Result<Matmul> create(const kernels::KernelSet& kernels, ThreadPool& pool, size_t max_cols);

  /// y[t][r] = sum over k of w[r][k] x[t][k] (+ bias[r], unless `bias` is empty). x: (n_tokens, w.cols);
  /// y: (n_tokens, w.rows), not overlapping x.
  void operator()(const WeightMatrix& w, const WeightVector& bias, MatrixView<const float> x,
                  MatrixView<float> y) const;

 private:
  void rows_by_dot(const WeightMatrix& w, MatrixView<const float> x, MatrixView<float> y, size_t begin, size_t end,
                   float* scratch) const;
  void rows_by_tile(const WeightMatrix& w, MatrixView<const float> x, MatrixView<float> y, size_t begin, size_t end,
                    float* scratch) const;

  const kernels::KernelSet* kernels_ = nullptr;
  ThreadPool* pool_ = nullptr;
  AlignedBuffer scratch_;  // (n_threads, scratch_floats_)
  size_t scratch_floats_ = 0;
};

}  // namespace sain::engine::cpu
