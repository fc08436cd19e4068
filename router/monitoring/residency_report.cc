#include "router/monitoring/residency_report.h"

namespace sain::router {

void add_residency(StatusReport& report, const Residency& residency, const RegistrySnapshot& members) {
  report.budget_bytes = residency.budget_bytes();
  MemoryReport kv{"kv"};
  for (const ModelStatus& status : residency.status()) {
    std::vector<std::string> names;
    for (const SpecialistId id : status.members)
      if (!members.is_gone(id)) names.push_back(members.names[index(id)]);
    if (names.empty() && status.state == ModelState::kAbsent) continue;
    ModelReport& model = report.models.emplace_back();
    model.file = status.file.string();
    model.state = to_string(status.state);
    model.members = std::move(names);
    model.weights_bytes = status.weights_bytes;
    model.kv_bytes = status.kv_bytes;
    model.leases = status.n_leases;
    model.load_ms = status.load_ms;
    model.fraction = status.fraction;
    kv.bytes += status.kv_bytes;
    if (status.state == ModelState::kAbsent) continue;
    const std::string name = model.members.empty() ? status.file.filename().string() : model.members.front();
    report.memory.push_back({"weights:" + name, status.weights_bytes});
  }
  report.memory.push_back(std::move(kv));
  const ResidencyCounters counters = residency.counters();
  report.prefetch = {counters.n_prefetches, counters.n_prefetch_hits, counters.n_prefetches_dropped};
}

}  // namespace sain::router
