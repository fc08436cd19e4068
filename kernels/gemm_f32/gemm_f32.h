// Matrix products in single precision: y = W x for one column (dot) and for many (pack + tile).
//
// The reference path: weights are dequantized to f32 first, activations are f32 throughout.
#pragma once

#include <stddef.h>

#include "kernels/isa.h"

namespace sain::kernels {

inline constexpr size_t kGemmF32Rows = 16;  // rows of W in a packed panel: two 8-lane registers

struct GemmF32 {
  /// sum over i < n of a[i] * b[i]; 0 at n = 0.
  float (*dot)(const float* a, const float* b, size_t n);

  /// Transposes `n_rows` <= 16 rows of k floats, `stride` apart, into panel[k][16]; missing rows become zero.
  void (*pack)(const float* rows, size_t stride, size_t n_rows, size_t k, float* panel);

  /// y[t * y_stride + r] += sum over i < k of panel[i][r] * x[t * x_stride + i], for t < n_tokens and r < n_rows <= 16.
  /// y must not overlap panel or x.
  void (*tile)(const float* panel, size_t k, const float* x, size_t x_stride, size_t n_tokens, float* y,
               size_t y_stride, size_t n_rows);
};

GemmF32 select_gemm_f32(Isa isa);

}  // namespace sain::kernels
