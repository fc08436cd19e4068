// Every version of the operators; contracts in reduce.h. Only select.cc, tests and benches look in here.
#pragma once

#include <stddef.h>

namespace sain::kernels {

size_t reduce_argmax_f32_scalar(const float* x, size_t n);
float reduce_max_f32_scalar(const float* x, size_t n);
size_t reduce_find_above_f32_scalar(const float* x, size_t begin, size_t n, float threshold);
double reduce_exp_sum_f32_scalar(const float* x, float shift, size_t n);
size_t reduce_argmax_f32_avx2(const float* x, size_t n);
float reduce_max_f32_avx2(const float* x, size_t n);
size_t reduce_find_above_f32_avx2(const float* x, size_t begin, size_t n, float threshold);
double reduce_exp_sum_f32_avx2(const float* x, float shift, size_t n);
size_t reduce_argmax_f32_avx512(const float* x, size_t n);
float reduce_max_f32_avx512(const float* x, size_t n);
size_t reduce_find_above_f32_avx512(const float* x, size_t begin, size_t n, float threshold);
double reduce_exp_sum_f32_avx512(const float* x, float shift, size_t n);
size_t reduce_argmax_f32_neon(const float* x, size_t n);
float reduce_max_f32_neon(const float* x, size_t n);
size_t reduce_find_above_f32_neon(const float* x, size_t begin, size_t n, float threshold);
double reduce_exp_sum_f32_neon(const float* x, float shift, size_t n);

}  // namespace sain::kernels
