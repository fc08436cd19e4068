// Every version of the operator; contract in gemm_packed.h. Only select.cc, tests and benches look in here.
#pragma once

#include "kernels/gemm_packed/gemm_packed.h"

namespace sain::kernels {

extern const GemmPacked kGemmPackedScalar;
extern const GemmPacked kGemmPackedAvx2;
extern const GemmPacked kGemmPackedAvxVnni;
extern const GemmPacked kGemmPackedAvx512;
extern const GemmPacked kGemmPackedNeon;

/// An entry of the table in select.cc, which is all that a version needs to be tested, measured and used.
struct GemmPackedVersion {
  const char* name;
  Isa isa;  // which the machine must run
  GemmPacked kernels;
};

struct GemmPackedVersions {
  const GemmPackedVersion* first;
  size_t n;
  const GemmPackedVersion* begin() const { return first; }
  const GemmPackedVersion* end() const { return first + n; }
};
GemmPackedVersions gemm_packed_versions();

}  // namespace sain::kernels
