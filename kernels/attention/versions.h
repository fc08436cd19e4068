// Every version of the operator; contracts in attention.h. Only select.cc, tests and benches look in here.
#pragma once

#include <stddef.h>

#include "kernels/attention/attention.h"

namespace sain::kernels {

void attention_f32_scalar(const AttentionArgs& args);
void attention_f16_scalar(const AttentionArgs& args);
void attention_q8_0_scalar(const AttentionArgs& args);
void attention_q8_0_q4_0_scalar(const AttentionArgs& args);
void attention_f32_avx2(const AttentionArgs& args);
void attention_f16_avx2(const AttentionArgs& args);
void attention_q8_0_avx2(const AttentionArgs& args);
void attention_q8_0_q4_0_avx2(const AttentionArgs& args);
void attention_f32_avx512(const AttentionArgs& args);
void attention_f16_avx512(const AttentionArgs& args);
void attention_q8_0_avx512(const AttentionArgs& args);
void attention_q8_0_q4_0_avx512(const AttentionArgs& args);
void attention_f32_neon(const AttentionArgs& args);
void attention_f16_neon(const AttentionArgs& args);
void attention_q8_0_neon(const AttentionArgs& args);
void attention_q8_0_q4_0_neon(const AttentionArgs& args);

void attention_store_f32_scalar(const float* x, void* out, size_t n);
void attention_store_f16_scalar(const float* x, void* out, size_t n);
void attention_store_q8_0_scalar(const float* x, void* out, size_t n);
void attention_store_q4_0_scalar(const float* x, void* out, size_t n);
void attention_store_f16_avx2(const float* x, void* out, size_t n);
void attention_store_q8_0_avx2(const float* x, void* out, size_t n);
void attention_store_q4_0_avx2(const float* x, void* out, size_t n);
void attention_store_f16_neon(const float* x, void* out, size_t n);

}  // namespace sain::kernels
