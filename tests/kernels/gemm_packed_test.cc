#include "kernels/gemm_packed/gemm_packed.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "kernels/dequantize/dequantize.h"
#include "kernels/gemm_packed/versions.h"
#include "kernels/pack/pack.h"
#include "tests/support/random_blocks.h"
#include "tests/support/random_floats.h"

namespace sain::kernels {

void PrintTo(const GemmPackedVersion& version, std::ostream* out) {
  *out << version.name;
}

namespace {

using sain::testing::random_blocks;
using sain::testing::random_floats;

constexpr DType kPackable[] = {DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1,
                               DType::kQ8_0, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K};

constexpr int kManyTokens = 41;  // more than any version multiplies without tiles

std::vector<GemmPackedVersion> versions_here() {
  std::vector<GemmPackedVersion> versions;
  for (const GemmPackedVersion& version : gemm_packed_versions()) {
    if (detect_isa(version.isa) == version.isa) versions.push_back(version);
  }
  return versions;
}

struct Matrix {
  DType dtype;
  size_t n_rows, n_cols;
  std::vector<std::byte> groups;
  std::vector<float> values;  // (n_rows, n_cols)
};

Matrix make_matrix(DType dtype, size_t n_rows, size_t n_cols, uint32_t seed) {
  const size_t bytes_of_row = row_bytes(dtype, n_cols), group_bytes = packed_group_bytes(dtype, n_cols);
  const std::vector<std::byte> rows = random_blocks(dtype, n_rows * n_cols, seed);
  Matrix matrix{dtype, n_rows, n_cols, std::vector<std::byte>(packed_groups(n_rows) * group_bytes),
                std::vector<float>(n_rows * n_cols)};
  const DequantizeRow dequantize = select_dequantize(Isa::kScalar)[dtype];
  for (size_t r = 0; r < n_rows; ++r) dequantize(rows.data() + r * bytes_of_row, &matrix.values[r * n_cols], n_cols);
  for (size_t g = 0; g < packed_groups(n_rows); ++g) {
    select_pack(dtype).group(rows.data() + g * kPackedRows * bytes_of_row,
                             std::min(kPackedRows, n_rows - g * kPackedRows), n_cols, &matrix.groups[g * group_bytes]);
  }
  return matrix;
}

/// Panels as the kernels want them.
std::vector<std::byte> make_panels(const std::vector<float>& x, size_t n_tokens, size_t n, size_t panel_tokens) {
  std::vector<std::byte> panels(n_tokens * q8_record_bytes(1) * n / kQ8Block);
  for (size_t c = 0; c < n_tokens; c += panel_tokens) {
    select_quantize(Isa::kScalar)(&x[c * n], n, std::min(panel_tokens, n_tokens - c), n,
                                  &panels[c * q8_record_bytes(1) * n / kQ8Block]);
  }
  return panels;
}

/// What is left of x after quantization.
std::vector<float> rounded(const std::vector<float>& x) {
  std::vector<float> out(x.size());
  for (size_t k = 0; k < x.size(); k += kQ8Block) {
    std::byte record[q8_record_bytes(1)];
    select_quantize(Isa::kScalar)(&x[k], 0, 1, kQ8Block, record);
    float scale, zero;
    std::memcpy(&scale, record + 32, 4);
    std::memcpy(&zero, record + 36, 4);
    for (size_t i = 0; i < kQ8Block; ++i)
      out[k + i] = scale * static_cast<float>(static_cast<int8_t>(record[i])) + zero;
  }
  return out;
}

class GemmPackedTest : public ::testing::TestWithParam<GemmPackedVersion> {
 protected:
  /// The product and everything around it that must stay as it was.
  void check(const Matrix& w, size_t n_tokens, size_t tile_blocks = 16) {
    SCOPED_TRACE(std::string(dtype_info(w.dtype).name) + ", " + std::to_string(w.n_rows) + " x " +
                 std::to_string(w.n_cols) + ", tokens: " + std::to_string(n_tokens) +
                 ", tiles of: " + std::to_string(tile_blocks));
    const std::vector<float> x = random_floats(n_tokens * w.n_cols, 7);
    const std::vector<float> seen = rounded(x);
    const std::vector<std::byte> panels = make_panels(x, n_tokens, w.n_cols, gemm_.panel_tokens);
    const size_t stride = w.n_rows + 3;
    std::vector<float> y(n_tokens * stride, 12345.0f);
    std::vector<std::byte> scratch(gemm_.scratch_bytes + 64);
    std::byte* aligned = scratch.data() + 64 - reinterpret_cast<uintptr_t>(scratch.data()) % 64;
    gemm_[w.dtype]({w.groups.data(), packed_groups(w.n_rows), w.n_rows, w.n_cols, panels.data(), n_tokens, y.data(),
                    stride, aligned, n_tokens % 2 * 4096, tile_blocks});
    for (size_t c = 0; c < n_tokens; ++c) {
      for (size_t r = 0; r < stride; ++r) {
        double expected = 12345.0, magnitude = 0;
        if (r < w.n_rows) {
          expected = 0;
          for (size_t k = 0; k < w.n_cols; ++k) {
            const double product = double{w.values[r * w.n_cols + k]} * double{seen[c * w.n_cols + k]};
            expected += product;
            magnitude += std::abs(product);
          }
        }
        // Products of a block are exact. Scales are rounded to 1/4095 of their row's largest at worst (8-bit codes with
        // AVX2), which the random ones are about half of. Terms of the f32 sums are as large as the sums of q alone,
        // before the offset or the min is taken off: 16 times the magnitude of the products.
        ASSERT_NEAR(y[c * stride + r], expected, magnitude * (1 / 4095.0 + 16e-6) + 1e-6)
            << "token " << c << ", row " << r;
      }
    }
  }

  const GemmPacked gemm_ = GetParam().kernels;
};

TEST_P(GemmPackedTest, AgreesWithDoubleArithmeticOnOddShapes) {
  for (const DType dtype : kPackable) {
    const size_t block = dtype_info(dtype).block_size;
    for (const size_t n_blocks : {1, 2, 3, 5}) {
      for (const size_t n_rows : {1, 15, 16, 17, 70}) {
        const Matrix w = make_matrix(dtype, n_rows, n_blocks * block, 1);
        for (const size_t n_tokens : {1, 2, 3, 4, 5, 6, 7, 8, 13, 14, kManyTokens}) check(w, n_tokens);
      }
    }
  }
}

// 18 blocks of 32: a version that works in steps of 4 or 8 blocks must not drop the last two.
TEST_P(GemmPackedTest, TakesEveryBlockOfARow) {
  for (const DType dtype : kPackable) {
    const size_t block = dtype_info(dtype).block_size;
    for (size_t n_blocks = 15; n_blocks <= (block == 32 ? 36u : 19u); ++n_blocks) {
      const Matrix w = make_matrix(dtype, 33, n_blocks * block, 2);
      for (const size_t n_tokens : {1, 9, kManyTokens}) check(w, n_tokens);
    }
  }
}

TEST_P(GemmPackedTest, TakesTilesOfEveryLength) {
  for (const DType dtype : kPackable) {
    for (const size_t n_cols : {256, 1024, 1280}) {
      const Matrix w = make_matrix(dtype, 33, n_cols, 5);
      for (size_t blocks = kTileBlocksStep; blocks <= kMaxTileBlocks; blocks += kTileBlocksStep)
        check(w, kManyTokens, blocks);
    }
  }
}

TEST_P(GemmPackedTest, TheLargestCodesAndActivationsDoNotOverflow) {
  for (const DType dtype : kPackable) {
    Matrix w = make_matrix(dtype, 16, 256, 3);
    const size_t bytes_of_row = row_bytes(dtype, 256);
    std::vector<std::byte> rows(16 * bytes_of_row, std::byte{0xff});
    if (dtype == DType::kQ8_0) std::fill(rows.begin(), rows.end(), std::byte{0x80});
    // Scales keep the bits of 1.0, wherever they are: the random ones of a matrix of the same type.
    const std::vector<std::byte> sane = random_blocks(dtype, 16 * 256, 3);
    const size_t block_bytes = dtype_info(dtype).block_bytes;
    for (size_t b = 0; b < rows.size() / block_bytes; ++b) {
      const size_t at = dtype == DType::kQ6_K ? b * block_bytes + block_bytes - 2 : b * block_bytes;
      const bool two = dtype == DType::kQ4_1 || dtype == DType::kQ5_1 || dtype == DType::kQ4_K || dtype == DType::kQ5_K;
      std::memcpy(&rows[at], &sane[at], two ? 4 : 2);
    }
    for (size_t r = 0; r < 16; ++r) {
      select_dequantize(Isa::kScalar)[dtype](&rows[r * bytes_of_row], &w.values[r * 256], 256);
    }
    select_pack(dtype).group(rows.data(), 16, 256, w.groups.data());
    for (const size_t n_tokens : {1, 9, kManyTokens}) {
      // All at the ends of the range, with one of the other sign to have a range at all.
      std::vector<float> x(n_tokens * 256, 1.0f);
      for (size_t i = 0; i < x.size(); i += kQ8Block) x[i] = -1;
      const std::vector<std::byte> panels = make_panels(x, n_tokens, 256, gemm_.panel_tokens);
      std::vector<float> y(n_tokens * 16);
      std::vector<std::byte> scratch(gemm_.scratch_bytes + 64);
      std::byte* aligned = scratch.data() + 64 - reinterpret_cast<uintptr_t>(scratch.data()) % 64;
      gemm_[dtype]({w.groups.data(), 1, 16, 256, panels.data(), n_tokens, y.data(), 16, aligned, 0});
      for (size_t i = 0; i < y.size(); ++i) {
        double expected = 0;
        for (size_t k = 0; k < 256; ++k) expected += double{w.values[i % 16 * 256 + k]} * double{x[i / 16 * 256 + k]};
        ASSERT_NEAR(y[i], expected, 1e-4 * std::abs(expected) + 1e-3) << dtype_info(dtype).name << ", row " << i % 16;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Versions, GemmPackedTest, ::testing::ValuesIn(versions_here()),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(GemmPackedVersions, HaveNamesOfTheirOwnAndAllTypes) {
  std::set<std::string> names;
  for (const GemmPackedVersion& version : gemm_packed_versions()) {
    EXPECT_TRUE(names.insert(version.name).second) << version.name;
    for (const DType dtype : kPackable) EXPECT_NE(version.kernels[dtype], nullptr) << version.name;
  }
  EXPECT_EQ(select_gemm_packed(Isa::kScalar)[DType::kQ4_0], kGemmPackedScalar[DType::kQ4_0]);
}

TEST(GemmPackedVersions, OneIsTakenByName) {
  unsetenv("SAIN_KERNEL");
  const GemmPacked best = select_gemm_packed(best_isa());
  ASSERT_EQ(setenv("SAIN_KERNEL", "scalar", 1), 0);
  EXPECT_EQ(select_gemm_packed(best_isa())[DType::kQ4_0], kGemmPackedScalar[DType::kQ4_0]);
  ASSERT_EQ(setenv("SAIN_KERNEL", "no such kernel", 1), 0);
  EXPECT_EQ(select_gemm_packed(best_isa())[DType::kQ4_0], best[DType::kQ4_0]);
  unsetenv("SAIN_KERNEL");
}

TEST(Pack, RowsComeBackBitForBit) {
  for (const DType dtype : kPackable) {
    const size_t n_cols = 3 * dtype_info(dtype).block_size;
    const Matrix w = make_matrix(dtype, 37, n_cols, 4);
    for (size_t r = 0; r < 37; ++r) {
      std::vector<float> row(n_cols);
      const std::byte* group = &w.groups[r / kPackedRows * packed_group_bytes(dtype, n_cols)];
      select_pack(dtype).row(group, r % kPackedRows, n_cols, row.data());
      ASSERT_EQ(std::memcmp(row.data(), &w.values[r * n_cols], n_cols * sizeof(float)), 0)
          << dtype_info(dtype).name << ", row " << r;
    }
  }
}

TEST(Pack, KnowsItsTypes) {
  for (const DTypeInfo& info : kDTypes) {
    EXPECT_EQ(select_pack(info.dtype).group != nullptr, is_packable(info.dtype)) << info.name;
  }
}

}  // namespace
}  // namespace sain::kernels
