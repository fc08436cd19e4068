// What a Residency knows, as a part of a StatusReport.
#pragma once

#include "router/monitoring/status_report.h"
#include "router/registry.h"
#include "router/residency.h"

namespace sain::router {

/// Adds models, budget and prefetches, and to `memory` the weights of each model that is loaded or being loaded
/// ("weights:" and its first member's name) and the KV caches of all ("kv").
void add_residency(StatusReport& report, const Residency& residency, const RegistrySnapshot& members);

}  // namespace sain::router
