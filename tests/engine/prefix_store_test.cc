#include "engine/prefix_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <numeric>

#include "tests/support/kv_conversation.h"
#include "tests/support/temporary_folder.h"

namespace sain::engine {
namespace {

namespace fs = std::filesystem;
using formats::Token;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kv_stop;
using testing::KvConversation;
using testing::TemporaryFolder;

/// `n` tokens: the first `n_common` as everybody's, the others of `own`.
std::vector<Token> some_tokens(size_t n, size_t n_common = SIZE_MAX, Token own = 0) {
  std::vector<Token> tokens(n);
  std::iota(tokens.begin(), tokens.end(), 100);
  for (size_t i = n_common; i < n; ++i) tokens[i] += 1000 * own;
  return tokens;
}

class PrefixStoreTest : public ::testing::Test {
 protected:
  PrefixStore store(uint64_t memory_bytes = 1 << 20, uint64_t disk_bytes = 1 << 20) {
    return PrefixStore({.memory_bytes = memory_bytes,
                        .directory = folder_ / "prefixes",
                        .disk_bytes = disk_bytes,
                        .warn = [this](const std::string& message) { warnings_.push_back(message); }});
  }

  static KvPrefix prefix(size_t n) {
    KvConversation conversation(kv_stop(200));
    conversation.append(n, 0);
    return *conversation.cache().share();
  }

  static PrefixKey key(bool is_exact = false) {
    KvConversation conversation(kv_stop(200));
    return PrefixKey::of({.bytes = 1, .modified = 2, .fingerprint = "f"}, is_exact, conversation.cache().layout());
  }

  static uint64_t length(const std::optional<KvPrefix>& prefix) { return prefix ? prefix->length() : 0; }

  std::vector<fs::path> files() const {
    std::vector<fs::path> files;
    for (const auto& file : fs::directory_iterator(folder_ / "prefixes")) files.push_back(file.path());
    return files;
  }

  /// Changes a byte of the rows: the last page begins with some.
  static void damage(const fs::path& path) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    const auto at = static_cast<std::streamoff>((fs::file_size(path) - 1) / 4096 * 4096);
    file.seekg(at);
    const int byte = file.get();
    file.seekp(at);
    file.put(static_cast<char>(byte ^ 1));
  }

  TemporaryFolder folder_;
  std::vector<std::string> warnings_;
};

TEST_F(PrefixStoreTest, FindsTheLongestCommonBeginning) {
  PrefixStore s = store();
  EXPECT_EQ(length(s.find(key(), some_tokens(50), 1)), 0u);
  s.put(key(), some_tokens(16, 8, 1), prefix(16));
  s.put(key(), some_tokens(20, 12, 2), prefix(20));
  EXPECT_EQ(length(s.find(key(), some_tokens(50), 1)), 12u);
  EXPECT_EQ(length(s.find(key(), some_tokens(50), 12)), 12u);
  EXPECT_EQ(length(s.find(key(), some_tokens(50), 13)), 0u);
  EXPECT_EQ(length(s.find(key(), some_tokens(50, 8, 1), 1)), 16u);
  EXPECT_EQ(length(s.find(key(), some_tokens(5), 1)), 5u);
  EXPECT_EQ(length(s.find(key(), some_tokens(5, 0, 3), 1)), 0u);
  EXPECT_EQ(length(s.find(key(), {}, 0)), 0u);
  EXPECT_EQ(length(s.find(key(true), some_tokens(50), 1)), 0u);
}

// Their windows are in 78 to 99 alone: 22 slots.
TEST_F(PrefixStoreTest, LayersWithAWindowAllowToGoBackALittle) {
  PrefixStore s = store();
  s.put(key(), some_tokens(100, 92, 1), prefix(100));
  EXPECT_EQ(length(s.find(key(), some_tokens(100, 95, 1), 1)), 0u);  // 92 are common
  s.put(key(), some_tokens(100, 94, 1), prefix(100));
  EXPECT_EQ(length(s.find(key(), some_tokens(100, 99, 2), 1)), 94u);
}

TEST_F(PrefixStoreTest, LongerOnesStandForShorterOnes) {
  PrefixStore s = store();
  s.put(key(), some_tokens(12), prefix(12));
  const uint64_t bytes = s.memory_bytes();
  s.put(key(), some_tokens(14), prefix(14));
  EXPECT_LT(s.memory_bytes(), 2 * bytes);
  const uint64_t longer = s.memory_bytes();
  s.put(key(), some_tokens(12), prefix(12));
  EXPECT_EQ(s.memory_bytes(), longer);
}

TEST_F(PrefixStoreTest, SharedSegmentsCountOnce) {
  PrefixStore s = store();
  KvConversation conversation(kv_stop(200));
  conversation.append(100, 0);
  s.put(key(), some_tokens(100), *conversation.cache().share());
  const uint64_t bytes = s.memory_bytes();
  conversation.append(100, 100);  // the first 100 cannot be cut from it
  s.put(key(), some_tokens(200), *conversation.cache().share());
  EXPECT_LE(s.memory_bytes(), 2 * bytes);
  EXPECT_EQ(length(s.find(key(), some_tokens(101, 100, 1), 1)), 100u);
}

TEST_F(PrefixStoreTest, WhatWasUsedLongestAgoGoesFirst) {
  const uint64_t one = prefix(20).pieces[0].segment->bytes();
  PrefixStore s = store(2 * one);
  s.put(key(), some_tokens(20, 0, 1), prefix(20));
  s.put(key(), some_tokens(20, 0, 2), prefix(20));
  EXPECT_EQ(length(s.find(key(), some_tokens(20, 0, 1), 1)), 20u);
  s.put(key(), some_tokens(20, 0, 3), prefix(20));
  EXPECT_EQ(s.memory_bytes(), 2 * one);
  EXPECT_EQ(length(s.find(key(), some_tokens(20, 0, 1), 1)), 20u);
  EXPECT_EQ(length(s.find(key(), some_tokens(20, 0, 2), 1)), 0u);
  EXPECT_EQ(length(s.find(key(), some_tokens(20, 0, 3), 1)), 20u);
  PrefixStore none = store(one - 1);
  none.put(key(), some_tokens(20), prefix(20));
  EXPECT_EQ(none.memory_bytes(), 0u);
}

TEST_F(PrefixStoreTest, SnapshotsOutliveTheProgram) {
  store().save(key(), some_tokens(60), prefix(60));
  PrefixStore s = store();
  const auto found = s.find(key(), some_tokens(200), 1);
  ASSERT_EQ(length(found), 60u);
  KvConversation before(kv_stop(200)), after(kv_stop(200));
  before.append(60, 0);
  ASSERT_TRUE(after.adopt(*found, before));
  after.check();
  EXPECT_GT(s.memory_bytes(), 0u);  // where it is found the next time
  EXPECT_EQ(length(s.find(key(), some_tokens(200, 56, 1), 1)), 56u);
  EXPECT_EQ(length(store().find(key(true), some_tokens(200), 1)), 0u);
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(PrefixStoreTest, SavesTheSameOnce) {
  PrefixStore s = store();
  s.save(key(), some_tokens(60), prefix(60));
  const auto time = fs::last_write_time(files().at(0));
  s.save(key(), some_tokens(60), prefix(60));
  s.save(key(), some_tokens(58), prefix(58));
  ASSERT_EQ(files().size(), 1u);
  EXPECT_EQ(fs::last_write_time(files()[0]), time);
}

TEST_F(PrefixStoreTest, ADamagedSnapshotIsAWarningAndRemoved) {
  store().save(key(), some_tokens(60), prefix(60));
  damage(files().at(0));
  EXPECT_EQ(length(store().find(key(), some_tokens(200), 1)), 0u);
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("sain.prefix.checksum: expected")));
  EXPECT_THAT(files(), IsEmpty());

  warnings_.clear();
  store().save(key(), some_tokens(60), prefix(60));
  fs::resize_file(files().at(0), 1000);
  EXPECT_EQ(length(store().find(key(), some_tokens(200), 1)), 0u);
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr(".gguf: ")));
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(PrefixStoreTest, ADamagedSnapshotLeavesTheNextBest) {
  PrefixStore first = store();
  first.save(key(), some_tokens(60), prefix(60));
  first.save(key(), some_tokens(100), prefix(100));
  ASSERT_EQ(files().size(), 2u);
  damage(std::ranges::max(files(), {}, [](const fs::path& file) { return fs::file_size(file); }));
  EXPECT_EQ(length(store().find(key(), some_tokens(200), 1)), 60u);
  EXPECT_EQ(warnings_.size(), 1u);
}

TEST_F(PrefixStoreTest, SnapshotsStayWithinTheirBytes) {
  PrefixStore measured = store();
  measured.save(key(), some_tokens(60, 0, 1), prefix(60));
  const uint64_t one = fs::file_size(files().at(0));
  fs::remove_all(folder_ / "prefixes");

  PrefixStore s = store(1 << 20, 2 * one);
  for (const Token own : {1, 2, 3, 4}) {
    s.save(key(), some_tokens(60, 0, own), prefix(60));
    for (const fs::path& file : files()) {  // as if an hour had passed
      fs::last_write_time(file, fs::last_write_time(file) - std::chrono::hours(1));
    }
  }
  EXPECT_EQ(files().size(), 2u);
  EXPECT_EQ(length(s.find(key(), some_tokens(200, 0, 2), 1)), 0u);
  EXPECT_EQ(length(s.find(key(), some_tokens(200, 0, 3), 1)), 60u);
  EXPECT_EQ(length(s.find(key(), some_tokens(200, 0, 4), 1)), 60u);
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(PrefixStoreTest, WhatIsLargerThanAllAllowedIsNotWritten) {
  PrefixStore s = store(1 << 20, 1000);
  s.save(key(), some_tokens(60), prefix(60));
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("a snapshot of 60 tokens takes 0 MiB")));
  EXPECT_FALSE(fs::exists(folder_ / "prefixes"));
}

TEST_F(PrefixStoreTest, ADiskThatCannotBeWrittenIsAWarning) {
  folder_.write("prefixes", "a file where the folder would be");
  PrefixStore s = store();
  s.save(key(), some_tokens(60), prefix(60));
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("prefixes")));
  EXPECT_EQ(length(s.find(key(), some_tokens(60), 1)), 0u);
}

TEST_F(PrefixStoreTest, WithoutAFolderNothingIsWritten) {
  PrefixStore s{PrefixStoreOptions{}};
  s.save(key(), some_tokens(60), prefix(60));
  EXPECT_EQ(length(s.find(key(), some_tokens(60), 1)), 0u);
}

}  // namespace
}  // namespace sain::engine
