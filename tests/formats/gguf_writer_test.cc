#include "formats/gguf_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <filesystem>
#include <iterator>
#include <stop_token>
#include <string>

#include "formats/gguf.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_gguf.h"

namespace sain::formats {
namespace {

using ::testing::HasSubstr;
using testing::pattern_bytes;

size_t n_files(const testing::TemporaryFolder& folder) {
  size_t n = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path())) ++n;
  return n;
}

TEST(GgufWriter, WhatIsReadWritesTheSameBytes) {
  const testing::TemporaryFolder folder;
  for (const uint32_t alignment : {1u, 16u, 32u, 64u}) {
    const GgufWriteOptions options = {.version = alignment == 16 ? 2u : 3u, .alignment = alignment};
    const std::string bytes = *testing::tiny_llama().to_bytes(options);
    const auto file = GgufFile::parse(std::as_bytes(std::span(bytes)), "first");
    ASSERT_TRUE(file) << file.error().message;
    GgufWriter copy;
    for (const auto& [key, value] : file->metadata().entries()) copy.set(key, value);
    for (const TensorInfo& tensor : file->tensors()) copy.add_tensor(tensor);
    const auto path = copy.write(folder / "copy.gguf", options);
    ASSERT_TRUE(path) << path.error().message;
    EXPECT_EQ(testing::read_whole_file(*path), bytes) << alignment;
  }
  EXPECT_EQ(n_files(folder), 1u);  // no temporary file is left
}

TEST(GgufWriter, LargeTensorsAreFilledRowByRow) {
  constexpr uint64_t kRow = 1 << 18, kRows = 11;  // 1 MiB a row, several calls
  GgufWriter writer;
  int n_calls = 0;
  writer.add_tensor("big", DType::kF32, {kRow, kRows}, [&](uint64_t first_row, std::span<std::byte> out) {
    ++n_calls;
    auto* values = reinterpret_cast<float*>(out.data());
    ASSERT_EQ(out.size() % (kRow * sizeof(float)), 0u);
    for (size_t i = 0; i < out.size() / sizeof(float); ++i) values[i] = static_cast<float>(first_row + i / kRow);
  });
  const testing::TemporaryFolder folder;
  const auto path = writer.write(folder / "big.gguf");
  ASSERT_TRUE(path) << path.error().message;
  EXPECT_GT(n_calls, 1);
  const auto file = GgufFile::open(*path);
  ASSERT_TRUE(file) << file.error().message;
  const auto* values = reinterpret_cast<const float*>(file->tensors()[0].data);
  for (uint64_t row = 0; row < kRows; ++row) {
    EXPECT_EQ(values[row * kRow], static_cast<float>(row));
    EXPECT_EQ(values[row * kRow + kRow - 1], static_cast<float>(row));
  }
}

TEST(GgufWriter, EveryTypeReadsBack) {
  GgufWriter writer;
  for (const DTypeInfo& info : kDTypes) {
    const uint64_t cols = 3 * info.block_size;
    writer.add_tensor(info.name, info.dtype, {cols, 2}, pattern_bytes(2 * row_bytes(info.dtype, cols)));
  }
  const testing::TemporaryFolder folder;
  const auto path = writer.write(folder / "types.gguf");
  ASSERT_TRUE(path) << path.error().message;
  const auto file = GgufFile::open(*path);
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_EQ(file->tensors().size(), std::size(kDTypes));
  for (const TensorInfo& tensor : file->tensors()) {
    EXPECT_EQ(dtype_info(tensor.dtype).name, tensor.name);
    EXPECT_EQ(tensor.n_elements(), 6u * dtype_info(tensor.dtype).block_size) << tensor.name;
    EXPECT_TRUE(testing::has_pattern_bytes(tensor)) << tensor.name;
  }
}

TEST(GgufWriter, ProgressCountsTensorBytesUpToTheirSum) {
  const testing::TemporaryFolder folder;
  for (const uint32_t n_parts : {1u, 3u}) {
    uint64_t last = 0, total = 0;
    const auto path = testing::tiny_llama().write(folder / "m.gguf",
                                                  {.n_parts = n_parts, .on_progress = [&](uint64_t done, uint64_t all) {
                                                     EXPECT_GT(done, last);
                                                     last = done;
                                                     total = all;
                                                   }});
    ASSERT_TRUE(path) << path.error().message;
    EXPECT_EQ(last, total);
    EXPECT_GT(total, 0u);
  }
}

TEST(GgufWriter, AStopRequestLeavesTheOldFileAndNothingElse) {
  const testing::TemporaryFolder folder;
  folder.write("m.gguf", "old");
  std::stop_source stop;
  const auto path = testing::tiny_llama().write(
      folder / "m.gguf", {.on_progress = [&](uint64_t, uint64_t) { stop.request_stop(); }, .stop = stop.get_token()});
  ASSERT_FALSE(path);
  EXPECT_EQ(path.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(testing::read_whole_file(folder / "m.gguf"), "old");
  EXPECT_EQ(n_files(folder), 1u);
}

TEST(GgufWriter, SplitsIntoPartsOfAboutTheSameSize) {
  GgufWriter writer;
  writer.set("general.name", "split");
  for (int i = 0; i < 20; ++i) writer.add_tensor("t" + std::to_string(i), DType::kF32, {64}, pattern_bytes(256));
  const testing::TemporaryFolder folder;
  for (const uint32_t n_parts : {2u, 4u, 20u}) {
    const auto path = writer.write(folder / "s.gguf", {.alignment = 64, .n_parts = n_parts});
    ASSERT_TRUE(path) << path.error().message;
    const auto file = GgufFile::open(*path);
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_EQ(file->tensors().size(), 20u);
  }
  for (int part = 1; part <= 4; ++part) {
    const std::string bytes = testing::read_whole_file(folder / fmt::format("s-0000{}-of-00004.gguf", part));
    EXPECT_THAT(bytes.size(), ::testing::AllOf(::testing::Ge(5u * 256), ::testing::Le(5u * 256 + 600))) << part;
  }
  // One large tensor still leaves one for each part.
  GgufWriter uneven;
  uneven.add_tensor("small", DType::kF32, {1}, pattern_bytes(4));
  uneven.add_tensor("large", DType::kF32, {4096}, pattern_bytes(16384));
  uneven.add_tensor("last", DType::kF32, {1}, pattern_bytes(4));
  const auto path = uneven.write(folder / "u.gguf", {.n_parts = 3});
  ASSERT_TRUE(path) << path.error().message;
  EXPECT_EQ(GgufFile::open(*path)->tensors().size(), 3u);
}

TEST(GgufWriter, KeysAreReplacedAndRemoved) {
  GgufWriter writer;
  writer.set("a", uint32_t{1});
  writer.set("b", uint32_t{2});
  writer.set("a", "text");
  writer.remove("b");
  const std::string bytes = *writer.to_bytes();
  const auto file = GgufFile::parse(std::as_bytes(std::span(bytes)), "m");
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_EQ(file->metadata().entries().size(), 1u);
  EXPECT_EQ(*file->metadata().string("a"), "text");
}

TEST(GgufWriter, RefusesWhatNoReaderWouldTake) {
  const auto error = [](const GgufWriter& writer, const GgufWriteOptions& options = {}) {
    const auto bytes = writer.to_bytes(options);
    EXPECT_FALSE(bytes);
    if (bytes) return std::string();
    EXPECT_EQ(bytes.error().code, ErrorCode::kInvalidArgument);
    return bytes.error().message;
  };
  const auto with_tensor = [](const std::string& name, DType dtype, std::vector<uint64_t> shape, size_t bytes) {
    GgufWriter writer;
    writer.add_tensor(name, dtype, std::move(shape), pattern_bytes(bytes));
    return writer;
  };
  EXPECT_THAT(error(with_tensor("", DType::kF32, {1}, 4)), HasSubstr("expected a name of 1 to 64 bytes, found 0"));
  EXPECT_THAT(error(with_tensor(std::string(65, 'n'), DType::kF32, {1}, 4)), HasSubstr("found 65"));
  EXPECT_THAT(error(with_tensor("t", DType::kF32, {}, 4)), HasSubstr("expected 1 to 4 dimensions, found 0"));
  EXPECT_THAT(error(with_tensor("t", DType::kF32, {1, 1, 1, 1, 1}, 4)), HasSubstr("found 5"));
  EXPECT_THAT(error(with_tensor("t", DType::kF32, {1, 0}, 4)), HasSubstr("tensor 't': a dimension is 0"));
  EXPECT_THAT(error(with_tensor("t", DType::kF32, {1ull << 40, 1ull << 40}, 4)), HasSubstr("overflows"));
  EXPECT_THAT(error(with_tensor("t", DType::kQ4_K, {128}, 72)), HasSubstr("multiple of 256 (Q4_K), found 128"));
  EXPECT_THAT(error(with_tensor("t", DType::kF32, {2}, 4)), HasSubstr("expected 8 bytes of data, found 4"));
  GgufWriter twice = with_tensor("t", DType::kF32, {1}, 4);
  EXPECT_THAT(error(twice, {.version = 1}), HasSubstr("version: expected 2 or 3, found 1"));
  EXPECT_THAT(error(twice, {.alignment = 48}), HasSubstr("alignment: expected a power of two"));
  EXPECT_THAT(error(twice, {.n_parts = 2}), HasSubstr("parts: expected 1 to 1, one tensor each, found 2"));
  EXPECT_THAT(error(twice, {.n_parts = 0}), HasSubstr("found 0"));
  twice.add_tensor("t", {1}, {1.0f});
  EXPECT_THAT(error(twice), HasSubstr("tensor 't': the name stands twice"));
  GgufWriter pair = with_tensor("t", DType::kF32, {1}, 4);
  pair.add_tensor("u", {1}, {1.0f});
  EXPECT_THAT(error(pair, {.n_parts = 2}), HasSubstr("expected 1 for bytes in memory, found 2"));
  GgufWriter key;
  key.set("", uint8_t{1});
  EXPECT_THAT(error(key), HasSubstr("metadata key '': expected 1 to 65535 bytes, found 0"));
  GgufWriter many;
  for (int i = 0; i < 65536; ++i) many.add_tensor(std::to_string(i), {1}, {0.0f});
  EXPECT_THAT(error(many, {.n_parts = 65536}), HasSubstr("at most 65535"));
}

TEST(GgufWriter, FoldersThatCannotBeWrittenGiveAnError) {
  const testing::TemporaryFolder folder;
  const auto missing = testing::tiny_llama().write(folder / "missing/m.gguf");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().message, HasSubstr("missing/m.gguf: cannot create"));
  const auto refused = testing::tiny_llama().write("/proc/m.gguf");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("/proc/m.gguf: cannot create"));
}

/// A limit on the size of files, which fails as a full disk does, in the middle of a write.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    previous_handler_ = ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &previous_);
    const rlimit limit = {bytes, previous_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &previous_);
    ::signal(SIGXFSZ, previous_handler_);
  }

 private:
  rlimit previous_;
  sighandler_t previous_handler_;
};

TEST(GgufWriter, AFullDiskLeavesTheOldFileAndNothingElse) {
  const testing::TemporaryFolder folder;
  folder.write("m.gguf", "old");
  for (const uint32_t n_parts : {1u, 3u}) {
    const FileSizeLimit limit(20000);
    const auto path = testing::tiny_llama().write(folder / "m.gguf", {.n_parts = n_parts});
    ASSERT_FALSE(path);
    EXPECT_EQ(path.error().code, ErrorCode::kIo);
    EXPECT_THAT(path.error().message, HasSubstr("cannot write"));
  }
  EXPECT_EQ(testing::read_whole_file(folder / "m.gguf"), "old");
  EXPECT_EQ(n_files(folder), 1u);
}

TEST(GgufWriter, ATargetThatIsAFolderIsRefused) {
  const testing::TemporaryFolder folder;
  std::filesystem::create_directory(folder / "m.gguf");
  const auto path = testing::tiny_llama().write(folder / "m.gguf");
  ASSERT_FALSE(path);
  EXPECT_THAT(path.error().message, HasSubstr("m.gguf: cannot create"));
  EXPECT_EQ(n_files(folder), 1u);
}

}  // namespace
}  // namespace sain::formats
