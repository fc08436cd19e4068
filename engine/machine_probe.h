// What this machine can do at best: the ceilings that benches compare with.
#pragma once

#include <stop_token>

#include "engine/thread_pool.h"
#include "formats/result.h"
#include "kernels/isa.h"

namespace sain::engine {

struct MachineSpeed {
  double read_gbs = 0;   // 10^9 bytes a second out of memory, all threads together
  double int8_gops = 0;  // 10^9 8-bit operations a second, a product and a sum counting as two
};

/// Measures both on the threads of `pool`, the best of several passes: about two seconds on an idle machine, and 512
/// MiB of huge-page memory while it lasts. Errors: kResourceExhausted, kCancelled.
Result<MachineSpeed> measure_machine(ThreadPool& pool, kernels::Isa isa, std::stop_token stop = {});

}  // namespace sain::engine
