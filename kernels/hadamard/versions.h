// Every version of the operator; contract in hadamard.h. Only select.cc, tests and benches look in here.
#pragma once

#include <stddef.h>

namespace sain::kernels {

void hadamard_scalar(float* x, size_t n, size_t block);
void hadamard_neon(float* x, size_t n, size_t block);
void hadamard_avx2(float* x, size_t n, size_t block);
void hadamard_avx512(float* x, size_t n, size_t block);

}  // namespace sain::kernels
