#include "formats/mapped_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>
#include <string_view>
#include <utility>

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

}  // namespace
}  // namespace sain::formats
