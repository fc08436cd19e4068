#include "kernels/hadamard/hadamard.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <vector>

#include "tests/support/isas.h"
#include "tests/support/random_floats.h"

namespace sain::kernels {
namespace {

using sain::testing::isas_here;
using sain::testing::random_floats;

class HadamardTest : public ::testing::TestWithParam<Isa> {
 protected:
  static void transform(std::vector<float>& x, size_t block) { select_hadamard(GetParam())(x.data(), x.size(), block); }
};

TEST_P(HadamardTest, IsTheMatrix) {
  for (size_t block = 1; block <= kMaxHadamardBlock; block *= 2) {
    SCOPED_TRACE(block);
    const std::vector<float> x = random_floats(5 * block, block);
    std::vector<float> y = x;
    transform(y, block);
    for (size_t i = 0; i < y.size(); ++i) {
      double expected = 0;
      for (size_t j = 0; j < block; ++j) {
        const double sign = std::popcount(i % block & j) % 2 == 0 ? 1 : -1;
        expected += sign * double{x[i / block * block + j]} / std::sqrt(static_cast<double>(block));
      }
      ASSERT_NEAR(y[i], expected, 1e-6) << "element " << i;
    }
  }
}

TEST_P(HadamardTest, GivesTheScalarBits) {
  for (size_t block = 1; block <= kMaxHadamardBlock; block *= 2) {
    std::vector<float> x = random_floats(9 * block, block, 100), expected = x;
    transform(x, block);
    select_hadamard(Isa::kScalar)(expected.data(), expected.size(), block);
    EXPECT_EQ(x, expected) << block;
  }
}

TEST_P(HadamardTest, OfNothingIsNothing) {
  std::vector<float> x;
  transform(x, 64);
}

TEST(HadamardBlockTest, IsTheLargestThatDivides) {
  EXPECT_EQ(hadamard_block(1), 1u);
  EXPECT_EQ(hadamard_block(64), 64u);
  EXPECT_EQ(hadamard_block(80), 16u);
  EXPECT_EQ(hadamard_block(96), 32u);
  EXPECT_EQ(hadamard_block(256), 256u);
  EXPECT_EQ(hadamard_block(512), 256u);
}

INSTANTIATE_TEST_SUITE_P(Isas, HadamardTest, ::testing::ValuesIn(isas_here()),
                         [](const auto& param) { return isa_name(param.param); });

}  // namespace
}  // namespace sain::kernels
