#include "kernels/rope/rope.h"

#include <gtest/gtest.h>

#include <vector>

namespace sain::kernels {
namespace {

// Two pairs, turned by 90 and by 180 degrees; the last elements of each head are not rotary.
const std::vector<float> kAngles = {0, 1, -1, 0};

TEST(RopeTest, AdjacentTurnsNeighbours) {
  std::vector<float> heads = {1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60};
  select_rope(detect_isa()).adjacent(heads.data(), 2, 6, kAngles.data(), 4);
  EXPECT_EQ(heads, (std::vector<float>{-2, 1, -3, -4, 5, 6, -20, 10, -30, -40, 50, 60}));
}

TEST(RopeTest, HalvesTurnsAcrossTheRotaryPart) {
  std::vector<float> heads = {1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60};
  select_rope(detect_isa()).halves(heads.data(), 2, 6, kAngles.data(), 4);
  EXPECT_EQ(heads, (std::vector<float>{-3, -2, 1, -4, 5, 6, -30, -20, 10, -40, 50, 60}));
}

}  // namespace
}  // namespace sain::kernels
