// Every version of the operators; contracts in elementwise.h. Only select.cc, tests and benches look in here.
#pragma once

#include <stddef.h>

namespace sain::kernels {

void elementwise_add_f32_scalar(const float* x, float* y, size_t n);
void elementwise_scale_f32_scalar(float factor, float* y, size_t n);
void elementwise_add_f32_avx2(const float* x, float* y, size_t n);
void elementwise_scale_f32_avx2(float factor, float* y, size_t n);
void elementwise_add_f32_avx512(const float* x, float* y, size_t n);
void elementwise_scale_f32_avx512(float factor, float* y, size_t n);
void elementwise_add_f32_neon(const float* x, float* y, size_t n);
void elementwise_scale_f32_neon(float factor, float* y, size_t n);

}  // namespace sain::kernels
