// Every version of the operator; contract in rope.h. Only select.cc, tests and benches look in here.
#pragma once

#include <stddef.h>

namespace sain::kernels {

void rope_adjacent_f32_scalar(float* heads, size_t n_heads, size_t head_dim, const float* cos_sin, size_t rotary_dim);
void rope_halves_f32_scalar(float* heads, size_t n_heads, size_t head_dim, const float* cos_sin, size_t rotary_dim);
void rope_adjacent_f32_avx2(float* heads, size_t n_heads, size_t head_dim, const float* cos_sin, size_t rotary_dim);
void rope_halves_f32_avx2(float* heads, size_t n_heads, size_t head_dim, const float* cos_sin, size_t rotary_dim);
void rope_adjacent_f32_avx512(float* heads, size_t n_heads, size_t head_dim, const float* cos_sin, size_t rotary_dim);
void rope_halves_f32_avx512(float* heads, size_t n_heads, size_t head_dim, const float* cos_sin, size_t rotary_dim);
void rope_adjacent_f32_neon(float* heads, size_t n_heads, size_t head_dim, const float* cos_sin, size_t rotary_dim);
void rope_halves_f32_neon(float* heads, size_t n_heads, size_t head_dim, const float* cos_sin, size_t rotary_dim);

}  // namespace sain::kernels
