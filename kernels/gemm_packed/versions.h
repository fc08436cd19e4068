// Every version of the operator; contract in gemm_packed.h. Only select.cc and tests look in here.
#pragma once

#include "kernels/gemm_packed/gemm_packed.h"

namespace sain::kernels {

extern const GemmPacked kGemmPackedScalar;
extern const GemmPacked kGemmPackedAvx2;
extern const GemmPacked kGemmPackedAvxVnni;
extern const GemmPacked kGemmPackedAvx512;
extern const GemmPacked kGemmPackedNeon;

}  // namespace sain::kernels
