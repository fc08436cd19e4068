#include "router/monitoring/residency_report.h"

namespace sain::router {

void add_residency(StatusReport& report, const Residency& residency, const RegistrySnapshot& members) {
  const MemoryBytes budget = residency.budget();
  report.budget_bytes = budget.host;
  report.device.budget_bytes = budget.device;
  MemoryBytes kv;
  for (const ModelStatus& status : residency.status()) {
    std::vector<std::string> names;
    for (const SpecialistId id : status.members)
      if (!members.is_gone(id)) names.push_back(members.names[index(id)]);
    if (names.empty() && status.state == ModelState::kAbsent) continue;
    ModelReport& model = report.models.emplace_back();
    model.file = status.file.string();
    model.state = to_string(status.state);
    model.members = std::move(names);
    model.weights_bytes = status.weights.host + status.weights.device;
    model.kv_bytes = status.kv.host + status.kv.device;
    model.device_bytes = status.weights.device + status.kv.device;
    model.leases = status.n_leases;
    model.load_ms = status.load_ms;
    model.fraction = status.fraction;
    kv = kv + status.kv;
    if (status.state == ModelState::kAbsent) continue;
    const std::string name = model.members.empty() ? status.file.filename().string() : model.members.front();
    report.memory.push_back({"weights:" + name, status.weights.host});
    if (status.weights.device > 0) report.device.memory.push_back({"weights:" + name, status.weights.device});
  }
  report.memory.push_back({"kv", kv.host});
  if (budget.device > 0) report.device.memory.push_back({"kv", kv.device});
  const ResidencyCounters counters = residency.counters();
  report.prefetch = {counters.n_prefetches, counters.n_prefetch_hits, counters.n_prefetches_dropped};
}

}  // namespace sain::router
