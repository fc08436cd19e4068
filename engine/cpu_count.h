// How many CPU cores this process may really use.
#pragma once

#include <filesystem>
#include <span>

namespace sain::engine {

/// Distinct physical cores among the logical `cpus`, from <root>/sys/devices/system/cpu. Threads that share a core
/// share its vector units, so a second one gains nothing in arithmetic. A CPU without topology counts as a core.
unsigned count_physical_cores(std::span<const unsigned> cpus, const std::filesystem::path& root = "/");

/// The smallest CPU quota of this process's control group and its ancestors (v2 cpu.max, v1 cpu.cfs_quota_us), in
/// CPUs, rounded up; 0 where there is no limit.
unsigned cgroup_cpu_limit(const std::filesystem::path& root = "/");

/// Physical cores in the affinity mask of this process, no more than its quota allows; at least 1.
unsigned available_cores();

}  // namespace sain::engine
