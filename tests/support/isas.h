// The instruction sets that a test of kernels goes through.
#pragma once

#include <vector>

#include "kernels/isa.h"

namespace sain::testing {

/// All that this machine runs, as far as SAIN_ISA allows: scalar first.
inline std::vector<kernels::Isa> isas_here() {
  std::vector<kernels::Isa> isas;
  for (const kernels::Isa isa : kernels::kIsas) {
    if (kernels::detect_isa(isa) == isa) isas.push_back(isa);
  }
  return isas;
}

}  // namespace sain::testing
