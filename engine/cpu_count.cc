#include "engine/cpu_count.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace sain::engine {
namespace {

namespace fs = std::filesystem;

std::optional<std::string> first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  return line;
}

std::optional<double> first_number(const fs::path& path) {
  std::ifstream file(path);
  double number = 0;
  if (!(file >> number)) return std::nullopt;
  return number;
}

/// cpu.max holds "QUOTA PERIOD" in microseconds, or "max PERIOD".
std::optional<double> quota_v2(const fs::path& group) {
  std::ifstream file(group / "cpu.max");
  double quota = 0, period = 0;
  if (!(file >> quota >> period) || quota <= 0 || period <= 0) return std::nullopt;
  return quota / period;
}

std::optional<double> quota_v1(const fs::path& group) {
  const auto quota = first_number(group / "cpu.cfs_quota_us");
  const auto period = first_number(group / "cpu.cfs_period_us");
  if (!quota || !period || *quota <= 0 || *period <= 0) return std::nullopt;  // -1: no limit
  return *quota / *period;
}

/// Visits `mount`/`group` and every ancestor down to `mount`. Inside a container the group that /proc names is often
/// not visible below the mount; the mount itself then is the container's own group, and it is always visited.
template <class Quota>
void visit_groups(const fs::path& mount, fs::path group, Quota&& quota, double& limit) {
  for (group = group.relative_path();; group = group.parent_path()) {
    if (const auto cpus = quota(mount / group)) limit = std::min(limit, *cpus);
    if (group.empty()) return;
  }
}

std::vector<unsigned> allowed_cpus() {
  for (size_t n_cpus = 1024; n_cpus <= size_t{1} << 20; n_cpus *= 2) {  // the kernel refuses a mask that is too short
    cpu_set_t* set = CPU_ALLOC(n_cpus);
    if (set == nullptr) return {};
    const size_t bytes = CPU_ALLOC_SIZE(n_cpus);
    CPU_ZERO_S(bytes, set);
    std::vector<unsigned> cpus;
    const bool known = sched_getaffinity(0, bytes, set) == 0;
    for (unsigned cpu = 0; known && cpu < n_cpus; ++cpu) {
      if (CPU_ISSET_S(cpu, bytes, set)) cpus.push_back(cpu);
    }
    CPU_FREE(set);
    if (known) return cpus;
  }
  return {};
}

}  // namespace

unsigned count_physical_cores(std::span<const unsigned> cpus, const fs::path& root) {
  std::set<std::string> cores;
  for (const unsigned cpu : cpus) {
    const fs::path topology = root / "sys/devices/system/cpu" / ("cpu" + std::to_string(cpu)) / "topology";
    auto siblings = first_line(topology / "core_cpus_list");
    if (!siblings) siblings = first_line(topology / "thread_siblings_list");  // its name before Linux 5.3
    cores.insert(siblings ? *siblings : "cpu" + std::to_string(cpu));
  }
  return static_cast<unsigned>(cores.size());
}

unsigned cgroup_cpu_limit(const fs::path& root) {
  double limit = INFINITY;
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // "id:controllers:path"; v2 has id 0 and no controllers
    const size_t first = line.find(':');
    const size_t second = line.find(':', first == std::string::npos ? first : first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const fs::path group = line.substr(second + 1);
    if (controllers == ",,") {
      visit_groups(root / "sys/fs/cgroup", group, quota_v2, limit);
    } else if (controllers.find(",cpu,") != std::string::npos) {
      visit_groups(root / "sys/fs/cgroup/cpu", group, quota_v1, limit);
    }
  }
  return limit < 1e6 ? static_cast<unsigned>(std::ceil(limit)) : 0;
}

unsigned available_cores() {
  const std::vector<unsigned> cpus = allowed_cpus();
  const unsigned cores = cpus.empty() ? std::thread::hardware_concurrency() : count_physical_cores(cpus);
  const unsigned limit = cgroup_cpu_limit();
  return std::max(1u, limit == 0 ? cores : std::min(cores, limit));
}

}  // namespace sain::engine
