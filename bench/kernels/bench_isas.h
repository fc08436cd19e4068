// One benchmark for each instruction set that the machine runs.
#pragma once

#include <benchmark/benchmark.h>

#include <random>
#include <string>
#include <vector>

#include "kernels/isa.h"

namespace sain::bench {

/// Registers `run(state, isa)` as <name>/<isa>; SAIN_ISA caps the choice.
template <class Run>
void register_for_isas(const std::string& name, Run run) {
  for (const kernels::Isa isa : kernels::kIsas) {
    if (kernels::detect_isa(isa) != isa) continue;
    const std::string full_name = name + "/" + kernels::isa_name(isa);
    benchmark::RegisterBenchmark(full_name.c_str(), [=](benchmark::State& state) { run(state, isa); });
  }
}

/// A counter per second, with decimal prefixes: `amount` is of one iteration.
inline benchmark::Counter per_second(double amount) {
  return benchmark::Counter(amount, benchmark::Counter::kIsIterationInvariantRate);
}

inline std::vector<float> normal_floats(size_t n) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> out(n);
  for (float& x : out) x = normal(random);
  return out;
}

}  // namespace sain::bench
