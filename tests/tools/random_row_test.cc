// The rows of synthetic models: what they decode to, and which bytes they never hold.
#include "tools/make_model/random_row.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <vector>

#include "kernels/blocks.h"
#include "kernels/dequantize/dequantize.h"
#include "kernels/isa.h"

namespace sain::tools {
namespace {

constexpr size_t kCols = 1 << 16;

std::vector<std::byte> random_row(DType dtype, float deviation, uint64_t seed) {
  std::vector<std::byte> row(row_bytes(dtype, kCols));
  fill_random_row(dtype, deviation, seed, row);
  return row;
}

TEST(RandomRow, DecodesToTheDeviationAskedFor) {
  const kernels::DequantizeTable table = kernels::select_dequantize(kernels::Isa::kScalar);
  std::vector<float> values(kCols);
  for (const DTypeInfo& info : kDTypes) {
    for (const float deviation : {0.01f, 0.0221f, 0.0625f}) {
      const std::vector<std::byte> row = random_row(info.dtype, deviation, 7);
      table[info.dtype](row.data(), values.data(), kCols);
      double sum = 0, squares = 0;
      for (const float x : values) {
        ASSERT_TRUE(std::isfinite(x)) << info.name;
        sum += static_cast<double>(x);
        squares += static_cast<double>(x) * static_cast<double>(x);
      }
      const double d = static_cast<double>(deviation);
      EXPECT_NEAR(std::sqrt(squares / kCols) / d, 1, 0.03) << info.name << " " << deviation;
      // 2048 blocks of 32 with means of their own: a mean further than this off is a bias, not chance.
      EXPECT_NEAR(sum / kCols / d, 0, 0.05) << info.name << " " << deviation;
    }
  }
}

TEST(RandomRow, DependsOnSeedTensorAndRow) {
  EXPECT_EQ(random_row(DType::kQ4_0, 1, row_seed(1, 2, 3)), random_row(DType::kQ4_0, 1, row_seed(1, 2, 3)));
  EXPECT_NE(random_row(DType::kQ4_0, 1, row_seed(1, 2, 3)), random_row(DType::kQ4_0, 1, row_seed(1, 2, 4)));
  EXPECT_NE(row_seed(1, 2, 3), row_seed(1, 3, 3));
  EXPECT_NE(row_seed(1, 2, 3), row_seed(2, 2, 3));
  EXPECT_NE(row_seed(0, 1, 0), row_seed(0, 0, 1));
}

TEST(RandomRow, NoCodeThatQuantizersNeverWrite) {
  const std::vector<std::byte> row = random_row(DType::kQ8_0, 1, 1);
  const auto* blocks = reinterpret_cast<const kernels::BlockQ8_0*>(row.data());
  for (size_t b = 0; b < kCols / 32; ++b) {
    for (const int8_t q : blocks[b].qs) ASSERT_NE(q, -128);
  }
}

}  // namespace
}  // namespace sain::tools
