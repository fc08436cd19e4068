#include "tools/tune/parameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <set>
#include <thread>

#include "engine/cpu_count.h"

namespace sain::tools {
namespace {

using engine::Tuning;
using kernels::Isa;

TuneParameter numbers(std::string name, std::vector<Phase> phases, uint32_t Tuning::*field,
                      std::initializer_list<uint32_t> values) {
  TuneParameter parameter{std::move(name), std::move(phases), {}};
  for (const uint32_t value : values) {
    parameter.values.push_back({fmt::to_string(value), [=](Tuning& tuning) { tuning.*field = value; }});
  }
  return parameter;
}

TuneParameter isas(const TunableMachine& machine) {
  TuneParameter parameter{"isa", {Phase::kPrefill, Phase::kDecode}, {}};
  for (const Isa isa : machine.isas) {
    const Isa cap = isa == machine.isas.front() ? Isa::kAuto : isa;
    parameter.values.push_back({kernels::isa_name(isa), [=](Tuning& tuning) { tuning.isa = cap; }});
  }
  return parameter;
}

/// Fewer than all cores where memory is slow or something else runs here, more where two threads of a core help.
TuneParameter threads(const TunableMachine& machine) {
  TuneParameter parameter{"n_threads", {Phase::kPrefill, Phase::kDecode}, {}};
  const unsigned n_cores = machine.n_cores;
  for (const unsigned n : std::set{std::max(n_cores / 2, 1u), std::max(n_cores - 1, 1u), n_cores, machine.n_cpus}) {
    const unsigned value = n == n_cores ? 0 : n;
    parameter.values.push_back({fmt::to_string(n), [=](Tuning& tuning) { tuning.n_threads = value; }});
  }
  return parameter;
}

}  // namespace

TunableMachine tunable_machine() {
  TunableMachine machine;
  for (const Isa isa : kernels::kIsas) {
    if (isa != Isa::kScalar && kernels::detect_isa(isa) == isa) machine.isas.insert(machine.isas.begin(), isa);
  }
  if (machine.isas.empty()) machine.isas.push_back(Isa::kScalar);
  machine.n_cores = engine::available_cores();
  machine.n_cpus = std::max(machine.n_cores, std::thread::hardware_concurrency());
  if (const unsigned limit = engine::cgroup_cpu_limit(); limit != 0) {
    machine.n_cpus = std::max(machine.n_cores, std::min(machine.n_cpus, limit));
  }
  return machine;
}

std::vector<TuneParameter> tune_parameters(const TunableMachine& machine) {
  const std::vector<Phase> prefill = {Phase::kPrefill}, decode = {Phase::kDecode};
  const std::vector<Phase> both = {Phase::kPrefill, Phase::kDecode};
  return {
      isas(machine),
      threads(machine),
      numbers("tile_blocks", prefill, &Tuning::tile_blocks, {8, 16, 32}),
      numbers("activation_mib", prefill, &Tuning::activation_mib, {8, 16, 32, 64}),
      numbers("ranges_per_thread", both, &Tuning::ranges_per_thread, {1, 2, 4, 8}),
      numbers("spin_us", decode, &Tuning::spin_us, {10, 50, 200, 1000}),
      numbers("read_ahead_bytes", decode, &Tuning::read_ahead_bytes, {0, 2048, 4096, 8192}),
  };
}

}  // namespace sain::tools
