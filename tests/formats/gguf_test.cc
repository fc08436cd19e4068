// What the reader accepts, and that it refuses everything else by name of file, field and value.
#include "formats/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "formats/gguf_writer.h"
#include "tests/support/gguf_fields.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_gguf.h"

namespace sain::formats {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::pattern_bytes;

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();

Result<GgufFile> parse(const std::string& bytes) {
  return GgufFile::parse(std::as_bytes(std::span(bytes)), "models/bad.gguf");
}

/// A valid file, some of whose fields are then overwritten.
class Damaged {
 public:
  explicit Damaged(const GgufWriter& writer, const GgufWriteOptions& options = {})
      : bytes_(*writer.to_bytes(options)) {}

  Damaged& set(const std::string& name, uint64_t value) {
    for (const testing::GgufField& field : testing::list_gguf_fields(original_.empty() ? bytes_ : original_)) {
      if (field.name != name) continue;
      if (original_.empty()) original_ = bytes_;
      std::memcpy(bytes_.data() + field.position, &value, field.bytes);
      return *this;
    }
    ADD_FAILURE() << "no field " << name;
    return *this;
  }

  Damaged& cut(size_t n_bytes) {
    bytes_.resize(n_bytes);
    return *this;
  }

  /// The message of the Error that must come; the code must be `code`.
  std::string error(ErrorCode code = ErrorCode::kCorrupt) const {
    const auto file = parse(bytes_);
    if (file) return "opened without an error";
    EXPECT_EQ(file.error().code, code) << file.error().message;
    EXPECT_THAT(file.error().message, HasSubstr("models/bad.gguf: "));
    return file.error().message;
  }

 private:
  std::string bytes_, original_;
};

GgufWriter small() {
  GgufWriter writer;
  writer.set("general.architecture", "llama");
  writer.set("count", uint32_t{7});
  writer.set("flag", true);
  writer.set("list", std::vector<std::string>{"one", "two"});
  writer.set("flags", std::vector<bool>{true, false});
  writer.add_tensor("a", DType::kQ4_0, {64, 2}, pattern_bytes(72));
  writer.add_tensor("b", DType::kF32, {8}, pattern_bytes(32));
  return writer;
}

TEST(Gguf, ReadsEveryTypeAndTensor) {
  for (const uint32_t version : {2u, 3u}) {
    const std::string bytes = *testing::tiny_llama().to_bytes({.version = version});
    const auto file = parse(bytes);
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_EQ(file->version(), version);
    EXPECT_EQ(file->path(), "models/bad.gguf");
    EXPECT_EQ(file->file_bytes(), bytes.size());
    const Metadata& metadata = file->metadata();
    EXPECT_EQ(*metadata.string("general.architecture"), "llama");
    EXPECT_EQ(*metadata.u32("test.u8"), 200u);
    EXPECT_EQ(*metadata.u32("test.u16"), 60000u);
    EXPECT_EQ(*metadata.u64("test.u64"), uint64_t{1} << 63);
    EXPECT_EQ(std::get<int64_t>(metadata.find("test.i8")->value), -100);
    EXPECT_EQ(std::get<int64_t>(metadata.find("test.i16")->value), -30000);
    EXPECT_EQ(std::get<int64_t>(metadata.find("test.i32")->value), -2000000000);
    EXPECT_EQ(std::get<int64_t>(metadata.find("test.i64")->value), int64_t{-1} << 62);
    EXPECT_EQ(std::get<double>(metadata.find("test.f64")->value), 0.1);
    EXPECT_EQ(*metadata.integers("test.bools"), (std::vector<int64_t>{1, 0, 1}));
    EXPECT_EQ(metadata.strings("tokenizer.ggml.tokens")->at(299), "t299");
    EXPECT_EQ(metadata.f32s("tokenizer.ggml.scores")->at(2), -2.0f);
    const auto& nested =
        std::get<std::vector<GgufArray>>(std::get<GgufArray>(metadata.find("test.nested")->value).values);
    ASSERT_EQ(nested.size(), 3u);
    EXPECT_EQ(std::get<std::vector<uint64_t>>(nested[0].values), (std::vector<uint64_t>{1, 2}));
    EXPECT_EQ(nested[1].size(), 0u);

    ASSERT_EQ(file->tensors().size(), 11u);
    const TensorInfo* tensor = file->find_tensor("test.four_dims");
    ASSERT_NE(tensor, nullptr);
    EXPECT_EQ(tensor->n_dims, 4u);
    EXPECT_EQ(tensor->n_rows(), 12u);
    EXPECT_EQ(tensor->n_elements(), 256u * 12);
    EXPECT_EQ(tensor->bytes, 12u * 144);
    for (const TensorInfo& t : file->tensors()) {
      EXPECT_EQ((t.data - reinterpret_cast<const std::byte*>(bytes.data())) % 32, 0) << t.name;
      EXPECT_TRUE(testing::has_pattern_bytes(t)) << t.name;
    }
    EXPECT_EQ(file->find_tensor("absent"), nullptr);
  }
}

TEST(Gguf, ViewsSurviveMovesOfAnOpenFile) {
  const testing::TemporaryFolder folder;
  const auto path = small().write(folder / "a.gguf");
  ASSERT_TRUE(path) << path.error().message;
  auto file = GgufFile::open(*path);
  ASSERT_TRUE(file) << file.error().message;
  const std::string_view name = file->tensors()[1].name;
  const std::byte* data = file->tensors()[1].data;
  GgufFile moved = *std::move(file);
  auto other = GgufFile::open(*path);
  ASSERT_TRUE(other);
  std::swap(moved, *other);
  EXPECT_EQ(name, "b");
  EXPECT_EQ(other->tensors()[1].data, data);
  EXPECT_EQ(data[1], std::byte{37});
}

TEST(Gguf, AFileWithoutTensorsNeedsNoData) {
  GgufWriter writer;
  writer.set("general.name", "vocabulary only");
  std::string bytes = *writer.to_bytes();
  bytes.resize(testing::list_gguf_fields(bytes).back().position);  // without the padding either
  const auto file = parse(bytes);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_TRUE(file->tensors().empty());
}

TEST(Gguf, OtherAlignmentsAreRead) {
  for (const uint32_t alignment : {1u, 8u, 16u, 64u, 4096u, 1u << 20}) {
    const std::string bytes = *small().to_bytes({.alignment = alignment});
    const auto file = parse(bytes);
    ASSERT_TRUE(file) << alignment << ": " << file.error().message;
    for (const TensorInfo& t : file->tensors()) {
      EXPECT_EQ((t.data - reinterpret_cast<const std::byte*>(bytes.data())) % alignment, 0);
      EXPECT_TRUE(testing::has_pattern_bytes(t)) << alignment;
    }
  }
}

TEST(GgufRefuses, FilesThatCannotBeOpened) {
  const testing::TemporaryFolder folder;
  const auto missing = GgufFile::open(folder / "missing.gguf");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().message, HasSubstr("missing.gguf"));
  const auto text = GgufFile::open(folder.write("text.gguf", "version https://git-lfs"));
  ASSERT_FALSE(text);
  EXPECT_THAT(text.error().message, AllOf(HasSubstr("text.gguf: magic: expected 'GGUF', found 'vers'")));
  const auto empty = GgufFile::open(folder.write("empty.gguf", ""));
  ASSERT_FALSE(empty);
  EXPECT_THAT(empty.error().message, HasSubstr("magic: the file ends here, at byte 0"));
}

TEST(GgufRefuses, MagicAndVersion) {
  EXPECT_THAT(Damaged(small()).set("magic", 0x46554748).error(), HasSubstr("magic: expected 'GGUF', found 'HGUF'"));
  EXPECT_THAT(Damaged(small()).set("magic", 0x47475546).error(ErrorCode::kUnsupported),
              HasSubstr("magic: byte-swapped"));
  EXPECT_THAT(Damaged(small()).set("version", 0x03000000).error(ErrorCode::kUnsupported),
              AllOf(HasSubstr("version: byte-swapped"), HasSubstr("0x03000000, 3 in big-endian")));
  for (const uint32_t version : {0u, 1u, 4u, 65535u}) {
    EXPECT_THAT(Damaged(small()).set("version", version).error(ErrorCode::kUnsupported),
                HasSubstr("version: expected 2 or 3, found " + std::to_string(version)));
  }
}

TEST(GgufRefuses, CountsBeyondTheBytesLeft) {
  EXPECT_THAT(Damaged(small()).set("n_entries", kMax).error(),
              AllOf(HasSubstr("metadata count: 18446744073709551615 entries cannot fit in the "), HasSubstr("left")));
  EXPECT_THAT(Damaged(small()).set("n_tensors", kMax / 2).error(),
              HasSubstr("tensor count: 9223372036854775807 tensors cannot fit"));
  EXPECT_THAT(Damaged(small()).set("n_tensors", 11).error(), HasSubstr("tensors cannot fit in the"));
}

TEST(GgufRefuses, Keys) {
  EXPECT_THAT(Damaged(small()).set("entry 1 length", 0).error(),
              HasSubstr("key of metadata entry 2 of 5: expected a length of 1 to 65535 bytes, found 0"));
  EXPECT_THAT(Damaged(small()).set("entry 1 length", kMax).error(),
              HasSubstr("key of metadata entry 2 of 5: a length of 18446744073709551615 bytes, but only"));
  EXPECT_THAT(Damaged(testing::tiny_llama()).set("entry 1 length", 65536).error(), HasSubstr("but only"));
  GgufWriter twins = small();
  twins.set("xount", uint32_t{1});
  EXPECT_THAT(Damaged(twins).set("entry 5 key", 0x746e756f63).error(),  // "count"
              HasSubstr("metadata key 'count': stands twice, entries 2 and 6"));
  GgufWriter large;
  large.set(std::string(65535, 'k'), uint8_t{1});
  EXPECT_TRUE(parse(*large.to_bytes()));
  EXPECT_THAT(Damaged(large).set("entry 0 length", 65536).error(), HasSubstr("found 65536"));
}

TEST(GgufRefuses, ValuesAndArrays) {
  EXPECT_THAT(Damaged(small()).set("count.type", 13).error(),
              HasSubstr("metadata 'count', value type: expected 0 to 12, found 13"));
  EXPECT_THAT(Damaged(small()).set("flag.value", 2).error(),
              HasSubstr("metadata 'flag': expected a bool of 0 or 1, found 2"));
  EXPECT_THAT(Damaged(small()).set("flags[0]", 0xff).error(),
              HasSubstr("metadata 'flags', element 0: expected a bool of 0 or 1, found 255"));
  EXPECT_THAT(Damaged(small()).set("general.architecture.length", kMax - 7).error(),
              HasSubstr("metadata 'general.architecture', value (string): a length of 18446744073709551608 bytes"));
  EXPECT_THAT(Damaged(small()).set("list[1].length", 1u << 30).error(),
              HasSubstr("metadata 'list', string 1 of 2: a length of 1073741824 bytes, but only"));
  EXPECT_THAT(Damaged(small()).set("list.element_type", 99).error(),
              HasSubstr("metadata 'list', array element type: expected 0 to 12, found 99"));
  EXPECT_THAT(Damaged(small()).set("list.count", kMax / 8).error(),
              HasSubstr("metadata 'list', array length: 2305843009213693951 elements of type string cannot fit"));
  EXPECT_THAT(Damaged(small()).set("flags.count", 1u << 20).error(),
              HasSubstr("metadata 'flags', array length: 1048576 elements of type bool cannot fit"));
}

TEST(GgufRefuses, DeepNesting) {
  GgufWriter writer;
  writer.set("deep", std::vector<std::vector<std::vector<std::vector<uint8_t>>>>{{{{1}}}});
  EXPECT_TRUE(parse(*writer.to_bytes()));
  writer.set("deep", std::vector<std::vector<std::vector<std::vector<std::vector<uint8_t>>>>>{{{{{1}}}}});
  EXPECT_THAT(Damaged(writer).error(), HasSubstr("metadata 'deep': arrays nested deeper than 4"));
}

TEST(GgufRefuses, MoreArrayElementsThanAnyModelHas) {
  GgufWriter writer;
  writer.set("a", std::vector<uint8_t>{1, 2, 3});
  writer.set("b", std::vector<uint8_t>((1 << 25) - 2));
  EXPECT_THAT(Damaged(writer).error(),
              HasSubstr("metadata 'b', array length: 33554430 elements are more than the 33554432 that all arrays"));
}

TEST(GgufRefuses, TensorNames) {
  EXPECT_THAT(Damaged(small()).set("tensor 0 length", 0).error(),
              HasSubstr("name of tensor 1 of 2: expected a length of 1 to 64 bytes, found 0"));
  EXPECT_THAT(Damaged(small()).set("tensor 1 length", 1000000).error(),
              HasSubstr("name of tensor 2 of 2: a length of 1000000 bytes, but only"));
  EXPECT_THAT(Damaged(small()).set("tensor 1 length", 65).error(), HasSubstr("found 65"));
  EXPECT_THAT(Damaged(small()).set("tensor 1 name", 'a').error(), HasSubstr("tensor 'a': the name stands twice"));
}

TEST(GgufRefuses, Shapes) {
  for (const uint64_t n_dims : {uint64_t{0}, uint64_t{5}, uint64_t{0xffffffff}}) {
    EXPECT_THAT(Damaged(small()).set("a.n_dims", n_dims).error(),
                HasSubstr("tensor 'a', number of dimensions: expected 1 to 4, found " + std::to_string(n_dims)));
  }
  EXPECT_THAT(Damaged(small()).set("a.dim1", 0).error(),
              HasSubstr("tensor 'a', dimension 1: expected at least 1, found 0"));
  EXPECT_THAT(Damaged(small()).set("a.dim0", kMax).error(),
              HasSubstr("tensor 'a', dimension 0: 18446744073709551615 makes the number of elements overflow"));
  EXPECT_THAT(Damaged(small()).set("a.dim1", uint64_t{1} << 58).error(),
              HasSubstr("tensor 'a', dimension 1: 288230376151711744 makes the number of elements overflow"));
  EXPECT_THAT(Damaged(small()).set("b.dim0", uint64_t{1} << 62).error(),
              HasSubstr("tensor 'b': the bytes of 4611686018427387904 elements overflow"));
  EXPECT_THAT(Damaged(small()).set("a.dim0", 65).error(),
              HasSubstr("tensor 'a', dimension 0: expected a multiple of 32 (a Q4_0 block), found 65"));
}

TEST(GgufRefuses, TensorTypes) {
  for (const uint32_t type : {4u, 5u, 9u, 16u, 36u, 40u, 0xffffffffu}) {
    EXPECT_THAT(Damaged(small()).set("b.dtype", type).error(ErrorCode::kUnsupported),
                HasSubstr("tensor 'b', type: " + std::to_string(type) + " is none that SAIN reads"));
  }
}

TEST(GgufRefuses, Offsets) {
  EXPECT_THAT(Damaged(small()).set("b.offset", 97).error(),
              HasSubstr("tensor 'b', offset: expected a multiple of the alignment 32, found 97"));
  EXPECT_THAT(Damaged(small()).set("b.offset", 128).error(),
              HasSubstr("tensor 'b', offset: 32 bytes at 128 end outside the file, whose data has 128 bytes"));
  EXPECT_THAT(Damaged(small()).set("b.offset", kMax - 31).error(),
              HasSubstr("tensor 'b', offset: 32 bytes at 18446744073709551584 end outside the file"));
  EXPECT_THAT(Damaged(small()).set("b.offset", 64).error(),
              HasSubstr("tensor 'b', offset: 64 lies inside tensor 'a' (72 bytes at 0)"));
  EXPECT_THAT(Damaged(small()).set("a.offset", 96).error(),
              HasSubstr("tensor 'a', offset: 72 bytes at 96 end outside the file"));
  EXPECT_THAT(Damaged(small()).set("b.offset", 0).error(), HasSubstr("lies inside tensor"));
}

TEST(GgufRefuses, Alignment) {
  for (const uint32_t alignment : {0u, 3u, 24u, 1u << 21, 0x80000000u, 0xffffffffu}) {
    EXPECT_THAT(Damaged(small(), {.alignment = 64}).set("general.alignment.value", alignment).error(),
                HasSubstr("metadata 'general.alignment': expected a power of two of at most 1048576, found " +
                          std::to_string(alignment)));
  }
  // As an i32 the same bytes are a negative number.
  EXPECT_THAT(Damaged(small(), {.alignment = 64})
                  .set("general.alignment.type", 5)
                  .set("general.alignment.value", 0xffffffff)
                  .error(),
              HasSubstr("metadata 'general.alignment': expected a u64, found i32 -1"));
}

TEST(GgufRefuses, FilesCutAnywhere) {
  const std::string bytes = *small().to_bytes();
  const size_t end = bytes.size() - 0;  // the last tensor ends the file
  for (size_t length = 0; length < end; ++length) {
    const std::string message = Damaged(small()).cut(length).error();
    EXPECT_NE(message, "opened without an error") << length;
  }
}

TEST(GgufRefuses, NamesThatWouldSteerTheTerminal) {
  GgufWriter writer;
  writer.add_tensor("\x1b[31m\xc2\x9b\xff\n", DType::kF32, {1}, pattern_bytes(4));
  std::string bytes = *writer.to_bytes();
  bytes.resize(bytes.size() - 32);
  const auto file = parse(bytes);
  ASSERT_FALSE(file);
  EXPECT_THAT(file.error().message, HasSubstr(R"(tensor '\x1b[31m\xc2\x9b\xff\n', offset)"));
}

}  // namespace
}  // namespace sain::formats
