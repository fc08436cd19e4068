#include "engine/packed_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>

#include "formats/gguf_writer.h"
#include "kernels/pack/pack.h"
#include "tests/support/random_blocks.h"
#include "tests/support/temporary_folder.h"

namespace sain::engine {
namespace {

namespace fs = std::filesystem;
using formats::GgufFile;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

/// A file of three matrices, and weights that use them as q, k and the output. The last has no packed form.
class PackedWeightsTest : public ::testing::Test {
 protected:
  struct Shape {
    const char* name;
    DType dtype;
    size_t rows, cols;
  };
  static constexpr Shape kShapes[] = {
      {"q", DType::kQ4_1, 40, 96}, {"k", DType::kQ6_K, 17, 512}, {"output", DType::kIQ4_NL, 5, 64}};

  void SetUp() override { write_model(1); }

  void write_model(uint32_t seed) {
    formats::GgufWriter writer;
    writer.set("general.architecture", "test");
    for (const Shape& shape : kShapes) {
      std::vector<std::byte> data(row_bytes(shape.dtype, shape.rows * shape.cols), std::byte{7});
      if (kernels::is_packable(shape.dtype)) data = testing::random_blocks(shape.dtype, shape.rows * shape.cols, seed);
      writer.add_tensor(shape.name, shape.dtype, {shape.cols, shape.rows}, std::move(data));
    }
    const auto written = writer.write(model_);
    ASSERT_TRUE(written) << written.error().message;
  }

  struct Loaded {
    GgufFile file;
    Weights weights;
    PackedWeights packed;
    std::vector<std::string> warnings;
  };

  Result<Loaded> load(const PackOptions& options = {}) {
    SAIN_ASSIGN_OR_RETURN(GgufFile file, GgufFile::open(model_));
    Weights weights;
    weights.layers.resize(1);
    WeightMatrix* const matrices[] = {&weights.layers[0].q, &weights.layers[0].k, &weights.output};
    for (size_t i = 0; i < 3; ++i) {
      const formats::TensorInfo* tensor = file.find_tensor(kShapes[i].name);
      *matrices[i] = {.name = tensor->name,
                      .data = tensor->data,
                      .dtype = tensor->dtype,
                      .rows = kShapes[i].rows,
                      .cols = kShapes[i].cols};
    }
    std::vector<std::string> warnings;
    SAIN_ASSIGN_OR_RETURN(PackedWeights packed, PackedWeights::create(file, weights, options, warnings));
    return Loaded{std::move(file), std::move(weights), std::move(packed), std::move(warnings)};
  }

  static void expect_right(const Result<Loaded>& loaded) {
    ASSERT_TRUE(loaded) << loaded.error().message;
    for (const WeightMatrix* m : {&loaded->weights.layers[0].q, &loaded->weights.layers[0].k}) {
      ASSERT_NE(m->packed, nullptr) << m->name;
      const size_t group_bytes = kernels::packed_group_bytes(m->dtype, m->cols);
      std::vector<std::byte> group(group_bytes);
      for (size_t row = 0; row < m->rows; row += kernels::kPackedRows) {
        kernels::select_pack(m->dtype).group(m->row(row), std::min(kernels::kPackedRows, m->rows - row), m->cols,
                                             group.data());
        EXPECT_EQ(std::memcmp(group.data(), m->packed + row / kernels::kPackedRows * group_bytes, group_bytes), 0)
            << m->name << ", row " << row;
      }
    }
    EXPECT_EQ(loaded->weights.output.packed, nullptr);
  }

  ino_t inode() const {
    struct stat info = {};
    EXPECT_EQ(stat(sidecar_.c_str(), &info), 0);
    return info.st_ino;
  }

  testing::TemporaryFolder folder_;
  fs::path model_ = folder_ / "model.gguf", sidecar_ = folder_ / "model.gguf.packed";
};

TEST_F(PackedWeightsTest, TheFirstLoadWritesASidecarAndTheSecondUsesIt) {
  expect_right(load());
  const ino_t first = inode();
  const auto second = load();
  expect_right(second);
  EXPECT_THAT(second->warnings, IsEmpty());
  EXPECT_EQ(inode(), first);
  EXPECT_EQ(PackedWeights::sidecar_path(model_), sidecar_);
  EXPECT_EQ(second->packed.bytes(), 3 * 16 * 60u + 2 * 16 * 420u);  // 48 and 32 rows
}

TEST_F(PackedWeightsTest, ASidecarOfAnotherModelIsMadeAnew) {
  expect_right(load());
  const ino_t first = inode();
  write_model(2);  // the same names, types, shapes and size
  expect_right(load());
  EXPECT_NE(inode(), first);
}

TEST_F(PackedWeightsTest, ADamagedSidecarIsMadeAnew) {
  expect_right(load());
  const auto size = fs::file_size(sidecar_);
  const auto damage = [&](const char* what, auto&& how) {
    SCOPED_TRACE(what);
    how();
    expect_right(load());
    EXPECT_EQ(fs::file_size(sidecar_), size);
  };
  damage("cut", [&] { fs::resize_file(sidecar_, size / 2); });
  damage("empty", [&] { fs::resize_file(sidecar_, 0); });
  damage("text", [&] { std::ofstream(sidecar_) << "no GGUF at all"; });
  damage("another GGUF", [&] { fs::copy_file(model_, sidecar_, fs::copy_options::overwrite_existing); });
  damage("a folder's place", [&] { fs::remove(sidecar_); });
}

TEST_F(PackedWeightsTest, WithoutASidecarNoFileIsReadOrWritten) {
  const auto loaded = load({.packing = Packing::kMemory});
  expect_right(loaded);
  EXPECT_FALSE(fs::exists(sidecar_));
  std::ofstream(sidecar_) << "not looked at";
  expect_right(load({.packing = Packing::kMemory}));
  EXPECT_EQ(fs::file_size(sidecar_), 13u);
}

TEST_F(PackedWeightsTest, NothingIsPackedWhereNobodyWantsIt) {
  const auto loaded = load({.packing = Packing::kNone});
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->weights.layers[0].q.packed, nullptr);
  EXPECT_EQ(loaded->packed.bytes(), 0u);
  EXPECT_FALSE(fs::exists(sidecar_));
}

TEST_F(PackedWeightsTest, AStopLeavesNoFile) {
  std::stop_source stop;
  stop.request_stop();
  const auto loaded = load({.stop = stop.get_token()});
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(std::distance(fs::directory_iterator(fs::path(folder_ / "")), fs::directory_iterator()), 1);
}

TEST_F(PackedWeightsTest, WhereNoFileCanBeWrittenTheyStayInMemory) {
  // A folder that is in the way stops even root.
  fs::create_directories(sidecar_ / "in the way");
  const std::string cache = (folder_ / "no folder").string();
  std::ofstream(cache) << "a file";
  const char* before = std::getenv("SAIN_CACHE");
  const std::string kept = before != nullptr ? before : "";
  setenv("SAIN_CACHE", cache.c_str(), 1);
  const auto loaded = load();
  before != nullptr ? setenv("SAIN_CACHE", kept.c_str(), 1) : unsetenv("SAIN_CACHE");
  expect_right(loaded);
  ASSERT_THAT(loaded->warnings, SizeIs(1));
  EXPECT_THAT(loaded->warnings[0], HasSubstr("stay in memory"));
}

}  // namespace
}  // namespace sain::engine
