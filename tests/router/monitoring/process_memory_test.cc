#include "router/monitoring/process_memory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <vector>

#include "tests/support/temporary_folder.h"

namespace sain::router {
namespace {

TEST(ProcessMemory, ReadsTheKernelsLines) {
  const testing::TemporaryFolder folder;
  std::filesystem::create_directories(folder / "proc/self");
  folder.write("proc/self/status",
               "Name:\tVmRSS: 9\nVmHWM:\t    2000 kB\nVmRSS:\t    1500 kB\nRssAnon:\t     400 kB\n"
               "RssFile:\t    1000 kB\nRssShmem:\t     100 kB\nThreads:\t3\n");
  const ProcessMemory memory = process_memory(folder.path());
  EXPECT_EQ(memory.rss_bytes, 1500u * 1024);
  EXPECT_EQ(memory.peak_rss_bytes, 2000u * 1024);
  EXPECT_EQ(memory.anonymous_bytes, 400u * 1024);
  EXPECT_EQ(memory.file_bytes, 1000u * 1024);
}

TEST(ProcessMemory, SeesWhatIsTaken) {
  constexpr size_t kBytes = size_t{32} << 20;
  const ProcessMemory before = process_memory();
  EXPECT_GT(before.file_bytes, 0u);
  {
    const std::vector<char> taken(kBytes, 1);
    EXPECT_GT(process_memory().anonymous_bytes, before.anonymous_bytes + kBytes / 2);
  }
  EXPECT_GT(peak_rss_bytes(), before.rss_bytes + kBytes / 2);
  EXPECT_LT(rss_bytes(), peak_rss_bytes());
}

TEST(ProcessMemory, AKernelThatTellsLessIsNoError) {
  const testing::TemporaryFolder folder;
  EXPECT_EQ(process_memory(folder.path()).rss_bytes, 0u);
  EXPECT_GT(process_memory(folder.path()).peak_rss_bytes, 0u);
}

}  // namespace
}  // namespace sain::router
