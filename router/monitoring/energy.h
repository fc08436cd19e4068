// What computing costs: the energy of the processor's packages where the machine tells it, and processor time, which
// every machine tells.
#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace sain::router {

/// Joules that the processor's packages have used, all programs' together, by their RAPL counters under
/// sys/class/powercap. Since 2020 the kernel lets only root read them unless somebody changes that. Thread-safe.
class PackageEnergy {
 public:
  /// `root` is for tests: where sys/class/powercap is.
  explicit PackageEnergy(const std::filesystem::path& root = "/");

  /// Since construction. Nothing where a counter cannot be read (any more): see reason(). Counters start again at 0
  /// after some 65 or 262 kJ: whoever wants the truth asks once in ten minutes at least.
  std::optional<double> joules();

  /// Why there are no joules, for people; empty where there are.
  std::string reason() const;

 private:
  struct Package {
    std::filesystem::path counter;
    uint64_t last_uj = 0, range_uj = 0;
  };

  mutable std::mutex mutex_;
  std::vector<Package> packages_;
  uint64_t total_uj_ = 0;
  std::string reason_;
};

/// Of this process, all its threads, since it began.
struct ProcessorUse {
  double cpu_seconds = 0;   // in the program and in the kernel
  uint64_t n_wake_ups = 0;  // times that a thread waited for something, and went on
};
ProcessorUse processor_use();

}  // namespace sain::router
