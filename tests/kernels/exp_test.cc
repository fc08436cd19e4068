#include "kernels/simd/exp.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace sain::kernels {
namespace {

TEST(ExpTest, RelativeErrorIsBelow9e8) {
  double worst = 0;
  for (const uint32_t sign : {0u, 0x80000000u}) {
    for (uint32_t bits = 0; bits < 0x42b00000u; bits += 4999) {  // up to 88
      const float x = float_from_bits(bits | sign);
      if (x < -87.3f) break;  // subnormal results
      worst = std::max(worst, std::abs(double{exp_f32(x)} / std::exp(double{x}) - 1));
    }
  }
  EXPECT_LT(worst, 9e-8);
}

TEST(ExpTest, Ends) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(exp_f32(0), 1);
  for (const float x : {-87.7f, -88.0f, -1e30f, -kInfinity}) EXPECT_EQ(exp_f32(x), 0) << x;
  for (const float x : {88.4f, 89.0f, 1e30f, kInfinity}) EXPECT_EQ(exp_f32(x), kInfinity) << x;
  EXPECT_TRUE(std::isnan(exp_f32(std::nanf(""))));
}

}  // namespace
}  // namespace sain::kernels
