// Every version of the operators; contracts in activation.h. Only select.cc, tests and benches look in here.
#pragma once

#include <stddef.h>

namespace sain::kernels {

void swiglu_f32_scalar(const float* gate, const float* up, float* out, size_t n);
void geglu_f32_scalar(const float* gate, const float* up, float* out, size_t n);
void gelu_f32_scalar(const float* x, float* out, size_t n);
void swiglu_f32_avx2(const float* gate, const float* up, float* out, size_t n);
void geglu_f32_avx2(const float* gate, const float* up, float* out, size_t n);
void gelu_f32_avx2(const float* x, float* out, size_t n);
void swiglu_f32_avx512(const float* gate, const float* up, float* out, size_t n);
void geglu_f32_avx512(const float* gate, const float* up, float* out, size_t n);
void gelu_f32_avx512(const float* x, float* out, size_t n);
void swiglu_f32_neon(const float* gate, const float* up, float* out, size_t n);
void geglu_f32_neon(const float* gate, const float* up, float* out, size_t n);
void gelu_f32_neon(const float* x, float* out, size_t n);

}  // namespace sain::kernels
