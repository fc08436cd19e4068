#include "kernels/rope/rope.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/support/isas.h"
#include "tests/support/random_floats.h"

namespace sain::kernels {
namespace {

using sain::testing::isas_here;
using sain::testing::random_floats;

class RopeTest : public ::testing::TestWithParam<Isa> {
 protected:
  const Rope rope = select_rope(GetParam());
};

// Two pairs, turned by 90 and by 180 degrees; the last elements of each head are not rotary.
const std::vector<float> kAngles = {0, 1, -1, 0};

TEST_P(RopeTest, AdjacentTurnsNeighbours) {
  std::vector<float> heads = {1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60};
  rope.adjacent(heads.data(), 2, 6, kAngles.data(), 4);
  EXPECT_EQ(heads, (std::vector<float>{-2, 1, -3, -4, 5, 6, -20, 10, -30, -40, 50, 60}));
}

TEST_P(RopeTest, HalvesTurnsAcrossTheRotaryPart) {
  std::vector<float> heads = {1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60};
  rope.halves(heads.data(), 2, 6, kAngles.data(), 4);
  EXPECT_EQ(heads, (std::vector<float>{-3, -2, 1, -4, 5, 6, -30, -20, 10, -40, 50, 60}));
}

TEST_P(RopeTest, GivesTheScalarBitsAndLeavesTheRest) {
  const Rope scalar = select_rope(Isa::kScalar);
  for (const size_t rotary_dim : {2, 6, 8, 10, 16, 18, 30, 32, 34, 62, 64, 80, 128}) {
    for (const size_t rest : {0, 1, 7}) {
      for (const size_t n_heads : {1, 3}) {
        const size_t head_dim = rotary_dim + rest;
        auto heads = random_floats(n_heads * head_dim, rotary_dim);
        const auto angles = random_floats(rotary_dim, 2);
        auto expected = heads;
        rope.adjacent(heads.data(), n_heads, head_dim, angles.data(), rotary_dim);
        scalar.adjacent(expected.data(), n_heads, head_dim, angles.data(), rotary_dim);
        EXPECT_EQ(heads, expected) << rotary_dim;
        rope.halves(heads.data(), n_heads, head_dim, angles.data(), rotary_dim);
        scalar.halves(expected.data(), n_heads, head_dim, angles.data(), rotary_dim);
        EXPECT_EQ(heads, expected) << rotary_dim;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, RopeTest, ::testing::ValuesIn(isas_here()),
                         [](const auto& param) { return isa_name(param.param); });

}  // namespace
}  // namespace sain::kernels
