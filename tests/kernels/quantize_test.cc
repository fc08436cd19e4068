#include "kernels/quantize/quantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "tests/support/random_floats.h"

namespace sain::kernels {
namespace {

using sain::testing::random_floats;

std::vector<std::byte> quantize(Isa isa, const std::vector<float>& x, size_t stride, size_t n_tokens, size_t n) {
  std::vector<std::byte> panel(q8_record_bytes(n_tokens) * n / kQ8Block);
  select_quantize(isa)(x.data(), stride, n_tokens, n, panel.data());
  return panel;
}

float field(const std::vector<std::byte>& panel, size_t record, size_t n_tokens, size_t which, size_t token) {
  float value;
  std::memcpy(&value, &panel[record * q8_record_bytes(n_tokens) + (32 + 4 * which) * n_tokens + 4 * token], 4);
  return value;
}

TEST(Quantize, VersionsGiveTheSameBytes) {
  for (const size_t n_tokens : {1, 2, 3, 6, 7}) {
    for (const size_t n : {32, 64, 96, 576}) {
      const size_t stride = n + 5;
      const std::vector<float> x = random_floats(n_tokens * stride, 11);
      EXPECT_EQ(quantize(Isa::kScalar, x, stride, n_tokens, n), quantize(detect_isa(), x, stride, n_tokens, n));
    }
  }
}

TEST(Quantize, ErrsByHalfAStepAtMost) {
  std::vector<float> x = random_floats(4 * 64, 12);
  x[5] = 100;  // stands out
  x[70] = -0.0f;
  const std::vector<std::byte> panel = quantize(detect_isa(), x, 64, 4, 64);
  for (size_t b = 0; b < 2; ++b) {
    for (size_t c = 0; c < 4; ++c) {
      const float* y = &x[c * 64 + b * 32];
      const float scale = field(panel, b, 4, 0, c), zero = field(panel, b, 4, 1, c);
      const auto [low, high] = std::minmax_element(y, y + 32);
      EXPECT_NEAR(scale, (*high - *low) / 254, 1e-6 * scale);
      float sum = 0;
      for (size_t i = 0; i < 32; ++i) {
        const auto q = static_cast<int8_t>(panel[b * q8_record_bytes(4) + 4 * (i / 4 * 4 + c) + i % 4]);
        EXPECT_GE(q, -127);
        EXPECT_NEAR(scale * q + zero, y[i], scale * 0.501f);
        sum += q;
      }
      EXPECT_EQ(field(panel, b, 4, 2, c), -scale * sum);
      int32_t negated[3];
      for (size_t i = 0; i < 3; ++i) {
        const float bits = field(panel, b, 4, 3 + i, c);
        std::memcpy(&negated[i], &bits, 4);
      }
      EXPECT_EQ(negated[0], -static_cast<int32_t>(sum));
      EXPECT_EQ(negated[1] + negated[2], negated[0]);
    }
  }
}

TEST(Quantize, AConstantBlockIsExact) {
  const std::vector<float> x(32, 0.37f);
  const std::vector<std::byte> panel = quantize(detect_isa(), x, 32, 1, 32);
  EXPECT_EQ(field(panel, 0, 1, 0, 0), 0);
  EXPECT_EQ(field(panel, 0, 1, 1, 0), 0.37f);
}

// A result must not look right where an activation was infinite or not a number.
TEST(Quantize, NotFiniteStaysNotFinite) {
  for (const Isa isa : {Isa::kScalar, detect_isa()}) {
    for (const float bad : {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN()}) {
      for (size_t at = 0; at < 32; ++at) {
        std::vector<float> x = random_floats(32, 13);
        x[at] = bad;
        EXPECT_FALSE(std::isfinite(field(quantize(isa, x, 32, 1, 32), 0, 1, 1, 0))) << bad << " at " << at;
      }
    }
  }
}

}  // namespace
}  // namespace sain::kernels
