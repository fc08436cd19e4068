#include "formats/mapped_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/temporary_folder.h"

namespace sain::formats {
namespace {

std::string_view text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

TEST(MappedFile, HoldsTheFileAndKeepsItsAddressWhenMoved) {
  const testing::TemporaryFolder folder;
  auto file = MappedFile::open(folder.write("a", "content"));
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(text_of(*file), "content");
  const std::byte* const address = file->bytes().data();
  MappedFile moved = *std::move(file);
  EXPECT_EQ(moved.bytes().data(), address);
  auto other = MappedFile::open(folder.write("b", "other"));
  ASSERT_TRUE(other);
  moved = *std::move(other);
  EXPECT_EQ(text_of(moved), "other");
}

TEST(MappedFile, AnEmptyFileIsAnEmptySpan) {
  const testing::TemporaryFolder folder;
  const auto file = MappedFile::open(folder.write("empty", ""));
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_TRUE(file->bytes().empty());
}

TEST(MappedFile, SaysWhatIsWrong) {
  const testing::TemporaryFolder folder;
  const auto missing = MappedFile::open(folder / "missing");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().message, ::testing::HasSubstr((folder / "missing").string()));

  const auto directory = MappedFile::open(folder.path());
  ASSERT_FALSE(directory);
  EXPECT_EQ(directory.error().code, ErrorCode::kIo);
  EXPECT_THAT(directory.error().message, ::testing::HasSubstr("a directory"));

  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  const auto pipe = MappedFile::open(folder / "pipe");  // must not wait for a writer
  ASSERT_FALSE(pipe);
  EXPECT_THAT(pipe.error().message, ::testing::HasSubstr("pipe"));
}

uint64_t sum(std::span<const std::byte> bytes) {
  uint64_t sum = 0;
  for (const std::byte byte : bytes) sum += static_cast<uint64_t>(byte);
  return sum;
}

TEST(MappedFile, AFileThatIsCutIsAnErrorAndNoSignal) {
  constexpr size_t kPages = 64, kPage = 4096;
  const testing::TemporaryFolder folder;
  const auto path = folder.write("a", std::string(kPages * kPage, '\1'));
  auto file = MappedFile::open(path);
  const auto other = MappedFile::open(folder.write("b", "other"));
  ASSERT_TRUE(file && other);
  EXPECT_EQ(sum(file->bytes()), kPages * kPage);
  ASSERT_TRUE(file->status());
  std::filesystem::resize_file(path, kPage + 1);
  EXPECT_TRUE(file->status()) << "nobody has read what is missing";
  EXPECT_EQ(sum(file->bytes()), kPage + 1) << "zeros in place of the rest";
  ASSERT_FALSE(file->status());
  EXPECT_EQ(file->status().error().code, ErrorCode::kIo);
  EXPECT_THAT(file->status().error().message, ::testing::HasSubstr(path.string()));
  const MappedFile moved = *std::move(file);
  EXPECT_FALSE(moved.status());
  EXPECT_TRUE(other->status()) << "it is of that file alone";
  EXPECT_TRUE(MappedFile::open(path)->status()) << "as it is now it can be read";
}

TEST(MappedFile, ManyAreWatchedByManyThreads) {
  constexpr size_t kFiles = 200, kBytes = 3 * 4096;
  const testing::TemporaryFolder folder;
  std::vector<MappedFile> files;
  for (size_t i = 0; i < kFiles; ++i) {
    const auto path = folder.write(std::to_string(i), std::string(kBytes, '\1'));
    auto file = MappedFile::open(path);
    ASSERT_TRUE(file) << file.error().message;
    files.push_back(*std::move(file));
    if (i % 2 == 1) std::filesystem::resize_file(path, 4096);
  }
  std::vector<std::jthread> threads;
  std::atomic<uint64_t> total = 0;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      for (const MappedFile& file : files) total += sum(file.bytes());
    });
  }
  threads.clear();
  EXPECT_EQ(total, 4 * kFiles / 2 * (kBytes + 4096));
  for (size_t i = 0; i < kFiles; ++i) EXPECT_EQ(files[i].status().has_value(), i % 2 == 0) << i;
}

TEST(MappedFileDeathTest, ASignalOfAnotherCauseEndsTheProcessAsBefore) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const testing::TemporaryFolder folder;
  const auto file = MappedFile::open(folder.write("a", "content"));
  ASSERT_TRUE(file);
  EXPECT_DEATH(raise(SIGBUS), "");  // a sanitizer has a handler of its own
}

}  // namespace
}  // namespace sain::formats
