// The state of a running program at one moment, for people and scripts: router/monitoring/status.md has its JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/result.h"

namespace sain::router {

struct ModelReport {
  std::string file;
  std::string state;  // as to_string(ModelState): "absent", "loading", "resident", ...
  std::vector<std::string> members;
  uint64_t weights_bytes = 0;
  uint64_t kv_bytes = 0;  // of all leases
  uint64_t leases = 0;
  double load_ms = 0;         // of its last load
  double fraction = 0;        // of a load that goes on, 0 to 1
  uint64_t device_bytes = 0;  // of weights_bytes and kv_bytes, what is on the device
};

/// What a part of the program has in memory, as it counts itself.
struct MemoryReport {
  std::string owner;  // "weights:coding", "kv", "prefixes", "encoder", "router", "adapters", "program"
  uint64_t bytes = 0;
};

/// The memory of the device that models are on.
struct DeviceReport {
  std::string name;                  // empty: there is none
  uint64_t budget_bytes = 0;         // that weights and caches may take together
  uint64_t used_bytes = 0;           // as the device counts, activations and all
  std::vector<MemoryReport> memory;  // of weights and caches: the owners as of this machine's memory
};

struct StageReport {
  uint64_t count = 0;
  double p50_ms = 0, p95_ms = 0, p99_ms = 0;
};

struct EnergyReport {
  std::optional<double> joules;  // of the processor, all programs' together, since the start
  std::string reason;            // why there are none
  double cpu_seconds = 0;        // of this process
  uint64_t wake_ups = 0;
};

struct PrefetchReport {
  uint64_t begun = 0, hits = 0, dropped = 0;
};

/// Counts are since the start. Holds nothing of what was asked and answered.
struct StatusReport {
  template <class T>
  using ByName = std::vector<std::pair<std::string, T>>;

  std::string program;  // "sain chat"
  int64_t pid = 0;
  int64_t started = 0;  // seconds since 1970
  uint64_t budget_bytes = 0;
  std::vector<ModelReport> models;
  std::vector<MemoryReport> memory;
  DeviceReport device;
  uint64_t rss_bytes = 0, peak_rss_bytes = 0;    // as the kernel counts,
  uint64_t anonymous_bytes = 0, file_bytes = 0;  // and its parts
  uint64_t requests = 0;                         // that have ended
  ByName<uint64_t> answers;                      // by member
  uint64_t fallbacks = 0, cancelled = 0, errors = 0;
  ByName<StageReport> stages;
  uint64_t prompt_tokens = 0;  // that were computed
  uint64_t decode_tokens = 0;
  double decode_tps = 0;  // tokens a second while decoding
  EnergyReport energy;
  PrefetchReport prefetch;
  uint64_t conversations = 0;
};

/// One JSON object on one line, without a newline. Bytes that are not UTF-8 are replaced.
std::string to_json(const StatusReport& report);

/// What to_json() wrote, maybe in another version: fields that are not there have their defaults, unknown ones are
/// ignored. Errors: kCorrupt (no JSON object, or a field of another type).
Result<StatusReport> parse_status_report(std::string_view json);

}  // namespace sain::router
