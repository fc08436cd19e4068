// R21: energy from a tree of files that looks like the kernel's, and processor time from the kernel itself.
#include "router/monitoring/energy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "tests/support/temporary_folder.h"

namespace sain::router {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// sys/class/powercap in a temporary folder.
class Powercap : public ::testing::Test {
 protected:
  void zone(const std::string& name, const std::string& what, const std::string& energy) {
    fs::create_directories(powercap() / name);
    set(name, "name", what);
    set(name, "energy_uj", energy);
    set(name, "max_energy_range_uj", "65532610987");
  }
  void set(const std::string& zone, const std::string& file, const std::string& content) {
    folder_.write((fs::path("sys/class/powercap") / zone / file).string(), content + "\n");
  }
  fs::path powercap() const { return folder_ / "sys/class/powercap"; }

  testing::TemporaryFolder folder_;
};

TEST_F(Powercap, SumsThePackages) {
  zone("intel-rapl:0", "package-0", "1000000");
  zone("intel-rapl:1", "package-1", "5000000");
  zone("intel-rapl:0:0", "core", "700000");
  zone("intel-rapl:2", "psys", "900000");
  PackageEnergy energy(folder_.path());
  EXPECT_EQ(energy.joules(), 0.0);
  set("intel-rapl:0", "energy_uj", "3500000");
  set("intel-rapl:1", "energy_uj", "5250000");
  set("intel-rapl:0:0", "energy_uj", "800000");
  set("intel-rapl:2", "energy_uj", "999999");
  EXPECT_EQ(energy.joules(), 2.75);
  EXPECT_EQ(energy.joules(), 2.75);
  EXPECT_THAT(energy.reason(), IsEmpty());
}

TEST_F(Powercap, CountsOnWhenTheCounterStartsAgain) {
  zone("intel-rapl:0", "package-0", "65532610000");
  PackageEnergy energy(folder_.path());
  set("intel-rapl:0", "energy_uj", "13");
  EXPECT_EQ(energy.joules(), 0.001);  // 987 to the end, and 13
  set("intel-rapl:0", "energy_uj", "1000013");
  EXPECT_EQ(energy.joules(), 1.001);
}

TEST_F(Powercap, SaysWhyThereIsNone) {
  PackageEnergy absent(folder_.path());
  EXPECT_EQ(absent.joules(), std::nullopt);
  EXPECT_THAT(absent.reason(), HasSubstr("sys/class/powercap has no counter"));

  zone("intel-rapl:0", "package-0", "garbage");
  PackageEnergy garbage(folder_.path());
  EXPECT_EQ(garbage.joules(), std::nullopt);
  EXPECT_THAT(garbage.reason(), HasSubstr("energy_uj: expected an integer, found garbage"));

  fs::remove(powercap() / "intel-rapl:0/energy_uj");
  EXPECT_THAT(PackageEnergy(folder_.path()).reason(), HasSubstr("energy_uj: No such file"));
}

TEST_F(Powercap, ACounterThatGoesAwayIsNoError) {
  zone("intel-rapl:0", "package-0", "1");
  PackageEnergy energy(folder_.path());
  EXPECT_EQ(energy.joules(), 0.0);
  fs::remove(powercap() / "intel-rapl:0/energy_uj");
  EXPECT_EQ(energy.joules(), std::nullopt);
  EXPECT_THAT(energy.reason(), HasSubstr("energy_uj"));
}

TEST(ProcessorUse, GrowsWithWork) {
  const ProcessorUse before = processor_use();
  volatile unsigned sum = 0;
  while (processor_use().cpu_seconds < before.cpu_seconds + 0.02) sum = sum + 1;
  std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_GT(processor_use().n_wake_ups, before.n_wake_ups);
  EXPECT_LT(processor_use().cpu_seconds, before.cpu_seconds + 10);
}

}  // namespace
}  // namespace sain::router
