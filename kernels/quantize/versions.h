// Every version of the operator; contract in quantize.h. Only select.cc and tests look in here.
#pragma once

#include <stddef.h>

namespace sain::kernels {

void quantize_panel_scalar(const float* x, size_t stride, size_t n_tokens, size_t n, void* panel);
void quantize_panel_avx2(const float* x, size_t stride, size_t n_tokens, size_t n, void* panel);
void quantize_panel_neon(const float* x, size_t stride, size_t n_tokens, size_t n, void* panel);

}  // namespace sain::kernels
