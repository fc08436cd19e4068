// Models in several files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "formats/gguf.h"
#include "formats/gguf_writer.h"
#include "tests/support/gguf_fields.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_gguf.h"

namespace sain::formats {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class GgufSplit : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto path = testing::tiny_llama().write(folder_ / "m.gguf", {.n_parts = 3});
    ASSERT_TRUE(path) << path.error().message;
    ASSERT_EQ(*path, part(1));
  }

  std::filesystem::path part(int number) { return folder_ / fmt::format("m-0000{}-of-00003.gguf", number); }

  /// Overwrites a u16 or i32 field of a part.
  void damage(int number, const std::string& name, uint64_t value) {
    std::string bytes = testing::read_whole_file(part(number));
    for (const testing::GgufField& field : testing::list_gguf_fields(bytes)) {
      if (field.name == name) std::memcpy(bytes.data() + field.position, &value, field.bytes);
    }
    folder_.write(part(number).filename().string(), bytes);
  }

  Error error_of(const std::filesystem::path& path) {
    const auto file = GgufFile::open(path);
    EXPECT_FALSE(file);
    return file ? Error{} : file.error();
  }

  testing::TemporaryFolder folder_;
};

TEST_F(GgufSplit, OpensAsOneModel) {
  const auto file = GgufFile::open(part(1));
  ASSERT_TRUE(file) << file.error().message;
  const std::string whole_bytes = *testing::tiny_llama().to_bytes();
  const auto whole = GgufFile::parse(std::as_bytes(std::span(whole_bytes)), "whole");
  ASSERT_EQ(file->tensors().size(), whole->tensors().size());
  for (size_t i = 0; i < file->tensors().size(); ++i) {
    const TensorInfo &a = file->tensors()[i], &b = whole->tensors()[i];
    EXPECT_EQ(a.name, b.name);
    ASSERT_EQ(a.bytes, b.bytes);
    EXPECT_EQ(std::memcmp(a.data, b.data, a.bytes), 0) << a.name;
  }
  EXPECT_EQ(*file->metadata().string("general.architecture"), "llama");
  uint64_t total = 0;
  for (int i = 1; i <= 3; ++i) total += std::filesystem::file_size(part(i));
  EXPECT_EQ(file->file_bytes(), total);
}

TEST_F(GgufSplit, AnotherPartPointsToTheFirst) {
  const Error error = error_of(part(2));
  EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(error.message, AllOf(HasSubstr("m-00002-of-00003.gguf"), HasSubstr("this is part 2 of 3"),
                                   HasSubstr("open the first part, m-00001-of-00003.gguf")));
}

TEST_F(GgufSplit, AMissingPartIsNamed) {
  std::filesystem::remove(part(3));
  const Error error = error_of(part(1));
  EXPECT_EQ(error.code, ErrorCode::kNotFound);
  EXPECT_THAT(error.message, AllOf(HasSubstr("m-00003-of-00003.gguf: cannot open"), HasSubstr("part 3 of 3")));
}

TEST_F(GgufSplit, ACutPartIsNamed) {
  std::filesystem::resize_file(part(2), std::filesystem::file_size(part(2)) / 2);
  EXPECT_THAT(error_of(part(1)).message, HasSubstr("m-00002-of-00003.gguf: "));
}

TEST_F(GgufSplit, PartsMustAgree) {
  std::filesystem::copy_file(part(2), part(3), std::filesystem::copy_options::overwrite_existing);
  EXPECT_THAT(error_of(part(1)).message, HasSubstr("m-00003-of-00003.gguf: split.no: expected 2, found 1"));
}

TEST_F(GgufSplit, CountsMustAgree) {
  damage(2, "split.count.value", 4);
  EXPECT_THAT(error_of(part(1)).message,
              HasSubstr("m-00002-of-00003.gguf: split.count: expected 3 as in the first part, found 4"));
}

TEST_F(GgufSplit, AWholeModelIsNoPart) {
  ASSERT_TRUE(testing::tiny_llama().write(part(2)));
  EXPECT_THAT(error_of(part(1)).message, HasSubstr("split.count: expected 3 as in the first part, found 0"));
}

TEST_F(GgufSplit, TensorCountsMustAgree) {
  damage(3, "split.tensors.count.value", 12);
  EXPECT_THAT(error_of(part(1)).message,
              HasSubstr("split.tensors.count: expected 11 as in the first part, found 12 (of another model?)"));
  for (int i = 1; i <= 3; ++i) damage(i, "split.tensors.count.value", 12);
  EXPECT_THAT(error_of(part(1)).message,
              HasSubstr("m-00001-of-00003.gguf: split.tensors.count: expected 12 tensors in all parts, found 11"));
  damage(1, "split.tensors.count.value", 0xffffffff);
  EXPECT_THAT(error_of(part(1)).message, HasSubstr("metadata 'split.tensors.count': expected a u64, found i32 -1"));
}

TEST_F(GgufSplit, ATensorMayStandInOnePartOnly) {
  // Part 1 again as part 3: only split.no differs.
  std::filesystem::copy_file(part(1), part(3), std::filesystem::copy_options::overwrite_existing);
  damage(3, "split.no.value", 2);
  EXPECT_THAT(error_of(part(1)).message,
              HasSubstr("m-00003-of-00003.gguf: tensor 'token_embd.weight': the name stands twice"));
}

TEST_F(GgufSplit, JoinedOrRenamedPartsAreRecognised) {
  std::string joined;
  for (int i = 1; i <= 3; ++i) joined += testing::read_whole_file(part(i));
  EXPECT_THAT(error_of(folder_.write("m.gguf", joined)).message,
              AllOf(HasSubstr("m.gguf: split.no, split.count: part 1 of 3"), HasSubstr("'-00001-of-00003.gguf'"),
                    HasSubstr("joined byte by byte")));
}

TEST_F(GgufSplit, AMergedModelKeepsACountOfZero) {
  // Tools that merge parts leave split.count = 0 behind.
  GgufWriter merged = testing::tiny_llama();
  std::string bytes = *merged.to_bytes();
  merged.set("zplit.count", uint16_t{0});
  bytes = *merged.to_bytes();
  bytes.replace(bytes.find("zplit"), 5, "split");
  EXPECT_TRUE(GgufFile::open(folder_.write("merged.gguf", bytes)));
}

TEST_F(GgufSplit, APartInMemoryIsRefused) {
  const std::string bytes = testing::read_whole_file(part(1));
  const auto file = GgufFile::parse(std::as_bytes(std::span(bytes)), "memory");
  ASSERT_FALSE(file);
  EXPECT_THAT(file.error().message, HasSubstr("memory: split.count: part 1 of 3 cannot be read on its own"));
}

TEST_F(GgufSplit, AnAbsurdCountFailsAtTheFirstMissingPart) {
  damage(1, "split.count.value", 65535);
  std::filesystem::rename(part(1), folder_ / "m-00001-of-65535.gguf");
  EXPECT_THAT(error_of(folder_ / "m-00001-of-65535.gguf").message, HasSubstr("part 2 of 65535"));
}

}  // namespace
}  // namespace sain::formats
