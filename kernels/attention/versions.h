// Every version of the operator; contracts in attention.h. Only select.cc and tests look in here.
#pragma once

#include <stddef.h>

#include "kernels/attention/attention.h"

namespace sain::kernels {

void attention_f32_scalar(const AttentionArgs& args);
void attention_f16_scalar(const AttentionArgs& args);
void attention_store_f16_scalar(const float* x, void* out, size_t n);
void attention_f32_avx2(const AttentionArgs& args);
void attention_f16_avx2(const AttentionArgs& args);
void attention_store_f16_avx2(const float* x, void* out, size_t n);

/// The part between the two products: scores become probabilities in place. Shared by all versions.
void attention_softmax(const AttentionArgs& args);

}  // namespace sain::kernels
