// What `sain tune` varies, and the values that it tries.
#pragma once

#include <vector>

#include "kernels/isa.h"
#include "tools/tune/search.h"

namespace sain::tools {

/// What there is to choose from.
struct TunableMachine {
  std::vector<kernels::Isa> isas;  // with vectors of their own, best first; one at least
  unsigned n_cores = 1;            // physical ones that this process may use
  unsigned n_cpus = 1;             // logical ones
};
TunableMachine tunable_machine();  // this one, as far as SAIN_ISA allows

/// In the order in which they are best searched: what the others depend on comes first.
std::vector<TuneParameter> tune_parameters(const TunableMachine& machine);

}  // namespace sain::tools
