#include "engine/cpu_count.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

namespace sain::engine {
namespace {

namespace fs = std::filesystem;

/// A root folder with just the files that a test writes.
class CpuCount : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(::testing::TempDir()) /
            (std::string("sain_cpu_count_") + ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  void write(const fs::path& path, std::string_view text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }

  fs::path root_;
};

TEST_F(CpuCount, SiblingsShareACore) {
  for (const int cpu : {0, 1, 2, 3}) {
    write("sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/core_cpus_list", cpu % 2 ? "1,3\n" : "0,2\n");
  }
  EXPECT_EQ(count_physical_cores(std::vector<unsigned>{0, 1, 2, 3}, root_), 2u);
  EXPECT_EQ(count_physical_cores(std::vector<unsigned>{0, 2}, root_), 1u);
  EXPECT_EQ(count_physical_cores(std::vector<unsigned>{3}, root_), 1u);
}

TEST_F(CpuCount, OldKernelsNameTheSiblingsOtherwise) {
  write("sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "0-1\n");
  write("sys/devices/system/cpu/cpu1/topology/thread_siblings_list", "0-1\n");
  EXPECT_EQ(count_physical_cores(std::vector<unsigned>{0, 1}, root_), 1u);
}

TEST_F(CpuCount, CpusWithoutTopologyCountAsCores) {
  EXPECT_EQ(count_physical_cores(std::vector<unsigned>{0, 1, 5}, root_), 3u);
}

TEST_F(CpuCount, NoControlGroupIsNoLimit) {
  EXPECT_EQ(cgroup_cpu_limit(root_), 0u);
}

TEST_F(CpuCount, TheSmallestQuotaOfTheAncestorsHolds) {
  write("proc/self/cgroup", "0::/a/b\n");
  write("sys/fs/cgroup/cpu.max", "max 100000\n");
  write("sys/fs/cgroup/a/cpu.max", "150000 100000\n");
  write("sys/fs/cgroup/a/b/cpu.max", "400000 100000\n");
  EXPECT_EQ(cgroup_cpu_limit(root_), 2u);
}

TEST_F(CpuCount, InAContainerTheMountIsTheGroup) {
  write("proc/self/cgroup", "0::/outside/of/sight\n");
  write("sys/fs/cgroup/cpu.max", "300000 100000\n");
  EXPECT_EQ(cgroup_cpu_limit(root_), 3u);
}

TEST_F(CpuCount, ReadsVersion1) {
  write("proc/self/cgroup", "5:memory:/m\n4:cpu,cpuacct:/g\n");
  write("sys/fs/cgroup/cpu/g/cpu.cfs_quota_us", "50000\n");
  write("sys/fs/cgroup/cpu/g/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cgroup_cpu_limit(root_), 1u);
  write("sys/fs/cgroup/cpu/g/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(cgroup_cpu_limit(root_), 0u);
}

TEST_F(CpuCount, DamagedFilesAreNoLimit) {
  write("proc/self/cgroup", "nonsense\n0::\n0:");
  write("sys/fs/cgroup/cpu.max", "0 0\n");
  EXPECT_EQ(cgroup_cpu_limit(root_), 0u);
}

TEST(AvailableCores, IsAtLeastOne) {
  EXPECT_GE(available_cores(), 1u);
}

}  // namespace
}  // namespace sain::engine
