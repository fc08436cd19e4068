// What sha256sum writes is read, and any other byte is found.
#include "router/packages/checksums.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>

#include "tests/router/packages/package_folder.h"

namespace sain::router {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

const std::string kHashOfAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

TEST(ChecksumsTest, BothFormsOfALineAreRead) {
  const auto sums = parse_checksums(kHashOfAbc + "  a b.txt\n\n" + kHashOfAbc + " *c", "SHA256SUMS");
  ASSERT_TRUE(sums) << sums.error().message;
  EXPECT_EQ(*sums, (Checksums{{"a b.txt", kHashOfAbc}, {"c", kHashOfAbc}}));
  EXPECT_EQ(*parse_checksums(to_text(*sums), ""), *sums);
  EXPECT_TRUE(parse_checksums("", "")->empty());
}

TEST(ChecksumsTest, WhatIsNoLineIsNamed) {
  for (const std::string& text :
       {kHashOfAbc, kHashOfAbc + "  ", kHashOfAbc + "\ta", kHashOfAbc.substr(1) + "   a",
        "A" + kHashOfAbc.substr(1) + "  a", std::string("x"), kHashOfAbc + "  a\n" + kHashOfAbc + "  a"}) {
    const auto sums = parse_checksums(text, "SHA256SUMS");
    ASSERT_FALSE(sums) << text;
    EXPECT_EQ(sums.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(sums.error().message, ::testing::StartsWith("SHA256SUMS:"));
  }
}

TEST(ChecksumsTest, Sha256sumAgrees) {
  const testing::TemporaryFolder folder;
  test::make_chess(folder.path(), "1", "weights");
  const std::string command = "cd " + folder.path().string() + " && sha256sum --strict --quiet -c SHA256SUMS 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::array<char, 200> out{};
  const size_t n = fread(out.data(), 1, out.size() - 1, pipe);
  EXPECT_EQ(pclose(pipe), 0) << std::string(out.data(), n);
}

TEST(ChecksumsTest, ACopyIsMadeOnlyOfWhatIsExpected) {
  const testing::TemporaryFolder folder;
  const fs::path from = folder / "from", to = folder / "to";
  test::write_text(from, "abc");
  uint64_t n_read = 0;
  ASSERT_TRUE(copy_checked(from, to, kHashOfAbc, {.progress = [&](uint64_t n) { n_read += n; }}));
  EXPECT_EQ(n_read, 3u);
  EXPECT_EQ(fs::file_size(to), 3u);
  fs::remove(to);
  test::write_text(from, "abd");
  const Status changed = copy_checked(from, to, kHashOfAbc, {});
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(changed.error().message, HasSubstr("from: expected SHA-256 " + kHashOfAbc + ", found "));
  EXPECT_EQ(copy_checked(folder / "none", to, kHashOfAbc, {}).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(copy_checked(folder.path(), to, kHashOfAbc, {}).error().code, ErrorCode::kNotFound) << "a folder";
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(copy_checked(from, to, kHashOfAbc, {.stop = stop.get_token()}).error().code, ErrorCode::kCancelled);
  for (const auto& entry : fs::directory_iterator(folder.path()))
    EXPECT_EQ(entry.path(), from) << "nothing else is left";
}

}  // namespace
}  // namespace sain::router
