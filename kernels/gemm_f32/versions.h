// Every version of the operator; contracts in gemm_f32.h. Only select.cc and tests look in here.
#pragma once

#include <stddef.h>

namespace sain::kernels {

float gemm_f32_dot_scalar(const float* a, const float* b, size_t n);
float gemm_f32_dot_avx2(const float* a, const float* b, size_t n);
float gemm_f32_dot_neon(const float* a, const float* b, size_t n);
void gemm_f32_pack_scalar(const float* rows, size_t stride, size_t n_rows, size_t k, float* panel);
void gemm_f32_tile_scalar(const float* panel, size_t k, const float* x, size_t x_stride, size_t n_tokens, float* y,
                          size_t y_stride, size_t n_rows);
void gemm_f32_tile_avx2(const float* panel, size_t k, const float* x, size_t x_stride, size_t n_tokens, float* y,
                        size_t y_stride, size_t n_rows);
void gemm_f32_tile_neon(const float* panel, size_t k, const float* x, size_t x_stride, size_t n_tokens, float* y,
                        size_t y_stride, size_t n_rows);

}  // namespace sain::kernels
