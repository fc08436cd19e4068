#include "tools/doctor/machine_checks.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>

#include "engine/tuning_file.h"
#include "kernels/isa.h"
#include "router/monitoring/energy.h"
#include "tools/progress_bar.h"

namespace sain::tools {
namespace {

namespace fs = std::filesystem;

/// A line of proc/meminfo in bytes; 0 where there is none.
uint64_t meminfo_bytes(const fs::path& root, std::string_view wanted) {
  std::ifstream file(root / "proc/meminfo");
  for (std::string key, rest; file >> key; std::getline(file, rest)) {
    uint64_t kib = 0;
    if (key == wanted && file >> kib) return kib * 1024;
  }
  return 0;
}

/// What the control group allows (version 2, then 1); UINT64_MAX where it sets no limit.
uint64_t cgroup_bytes(const fs::path& root) {
  for (const char* path : {"sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    uint64_t bytes = 0;
    if (std::ifstream(root / path) >> bytes) return bytes;  // "max" is no number
  }
  return UINT64_MAX;
}

}  // namespace

Check check_processor() {
  const engine::MachineIdentity machine = engine::identify_machine();
  const auto tuning = engine::local_tuning();
  const kernels::Isa used = kernels::detect_isa(tuning ? tuning->isa : kernels::Isa::kAuto);
  Check check{"processor", Verdict::kOk,
              fmt::format("{}, {} core{}, kernels for {}", machine.cpu.empty() ? "unknown" : machine.cpu,
                          machine.n_cores, machine.n_cores == 1 ? "" : "s", kernels::isa_name(used))};
  if (!tuning) {
    check.verdict = Verdict::kWarn;
    check.finding += "; the tuning file cannot be used: " + tuning.error().message;
    check.advice = "`sain tune` makes a new one";
  } else if (used != machine.isa) {
    check.verdict = Verdict::kWarn;
    check.finding += fmt::format(", though the processor has {}", kernels::isa_name(machine.isa));
    check.advice = std::getenv("SAIN_ISA") ? "unset SAIN_ISA" : "`sain tune` chose so; run it again if it is slow";
  } else if (used == kernels::Isa::kScalar) {
    check.verdict = Verdict::kWarn;
    check.advice = "expect it to be slow: it takes AVX2, or on ARM dot products, to be fast";
  }
  return check;
}

Check check_memory(uint64_t budget_bytes, uint64_t models_bytes, const fs::path& root) {
  const uint64_t total = std::min(meminfo_bytes(root, "MemTotal:"), cgroup_bytes(root));
  const uint64_t available = std::min(meminfo_bytes(root, "MemAvailable:"), total);
  Check check{"memory", Verdict::kOk,
              fmt::format("{}, {} of it available; the budget is {}, the models' files have {}", format_bytes(total),
                          format_bytes(available), format_bytes(budget_bytes), format_bytes(models_bytes))};
  if (total == 0) {
    return {"memory", Verdict::kWarn, "/proc/meminfo does not say how much there is", "mount /proc"};
  }
  if (budget_bytes > total) {
    check.verdict = Verdict::kWarn;
    check.advice = fmt::format("set budget_mib to {} at most", (total - total / 8) >> 20);
  } else if (models_bytes > available) {
    check.verdict = Verdict::kWarn;
    check.advice = "free some, or choose smaller models: what does not stay in memory is read from the disk again";
  }
  return check;
}

Check check_limits(uint64_t budget_bytes) {
  struct Limit {
    const char* name;
    int resource;
    uint64_t needed;
  };
  // Packed weights are mapped beside their model's file, so addresses take twice the budget.
  const Limit limits[] = {{"address space", RLIMIT_AS, 2 * budget_bytes},
                          {"data segment", RLIMIT_DATA, budget_bytes},
                          {"open files", RLIMIT_NOFILE, 64}};
  Check check{"limits", Verdict::kOk, ""};
  for (const Limit& limit : limits) {
    rlimit value{};
    getrlimit(static_cast<__rlimit_resource_t>(limit.resource), &value);
    if (value.rlim_cur == RLIM_INFINITY || value.rlim_cur >= limit.needed) continue;
    check.verdict = Verdict::kWarn;
    check.finding += fmt::format("{}{}: {}, expected {}", check.finding.empty() ? "" : "; ", limit.name, value.rlim_cur,
                                 limit.needed);
    check.advice = "raise them with ulimit, or in the service's unit";
  }
  rlimit locked{};
  getrlimit(RLIMIT_MEMLOCK, &locked);
  if (check.finding.empty()) {
    check.finding = fmt::format("none is in the way; locked memory is limited to {}, and SAIN locks none",
                                locked.rlim_cur == RLIM_INFINITY ? "nothing" : format_bytes(locked.rlim_cur));
  }
  return check;
}

Check check_energy(const fs::path& root) {
  const std::string reason = router::PackageEnergy(root).reason();
  if (reason.empty()) return {"energy", Verdict::kOk, "the processor tells its energy"};
  const std::string finding = "processor time stands in for it: " + reason;
  const bool is_forbidden = reason.find("ermission") != std::string::npos;
  if (!is_forbidden) return {"energy", Verdict::kOk, finding};
  return {
      "energy", Verdict::kWarn, finding,
      "as root: chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj; others can then watch what the processor does"};
}

}  // namespace sain::tools
