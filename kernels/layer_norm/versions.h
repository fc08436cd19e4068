// Every version of the operator; contract in layer_norm.h. Only select.cc, tests and benches look in here.
#pragma once

#include <stddef.h>

namespace sain::kernels {

void layer_norm_f32_scalar(const float* x, const float* weight, const float* bias, float epsilon, float* y, size_t n);
void layer_norm_f32_avx2(const float* x, const float* weight, const float* bias, float epsilon, float* y, size_t n);
void layer_norm_f32_avx512(const float* x, const float* weight, const float* bias, float epsilon, float* y, size_t n);
void layer_norm_f32_neon(const float* x, const float* weight, const float* bias, float epsilon, float* y, size_t n);

}  // namespace sain::kernels
