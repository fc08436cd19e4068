#include "formats/sha256.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/temporary_folder.h"

namespace sain::formats {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

TEST(Sha256, GivesTheStandardsExamples) {
  EXPECT_EQ(sha256_hex({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex(bytes_of("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, AStreamEqualsItsWhole) {
  const std::string text(100000, 'a');
  Sha256 hash;
  hash.update(bytes_of(text.substr(0, 1)));
  hash.update(bytes_of(text.substr(1, 63)));
  hash.update(bytes_of(text.substr(64)));
  EXPECT_EQ(hash.hex(), sha256_hex(bytes_of(text)));
}

TEST(Sha256, ReadsFilesOfSeveralPieces) {
  const testing::TemporaryFolder folder;
  const std::string text(3000000, 'x');
  const auto hex = sha256_of_file(folder.write("f", text));
  ASSERT_TRUE(hex) << hex.error().message;
  EXPECT_EQ(*hex, sha256_hex(bytes_of(text)));
  EXPECT_EQ(sha256_of_file(folder / "missing").error().code, ErrorCode::kNotFound);
  EXPECT_THAT(sha256_of_file(folder.path()).error().message, ::testing::HasSubstr("cannot read"));
}

}  // namespace
}  // namespace sain::formats
