#include "kernels/rms_norm/rms_norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/support/isas.h"
#include "tests/support/random_floats.h"

namespace sain::kernels {
namespace {

using sain::testing::isas_here;
using sain::testing::random_floats;

class RmsNormTest : public ::testing::TestWithParam<Isa> {
 protected:
  const RmsNorm rms_norm = select_rms_norm(GetParam());
};

TEST_P(RmsNormTest, AgreesWithTheFormulaOnOddLengths) {
  for (const size_t n : {1, 7, 8, 9, 15, 16, 17, 31, 33, 64, 576, 1001}) {
    const auto x = random_floats(n, 1, 3), weight = random_floats(n, 2);
    std::vector<float> y(n), in_place = x;
    rms_norm(x.data(), weight.data(), 1e-5f, y.data(), n);
    rms_norm(in_place.data(), weight.data(), 1e-5f, in_place.data(), n);
    double sum = 0;
    for (const float v : x) sum += double{v} * double{v};
    const double scale = 1 / std::sqrt(sum / static_cast<double>(n) + 1e-5);
    for (size_t i = 0; i < n; ++i) {
      const double expected = double{x[i]} * scale * double{weight[i]};
      EXPECT_NEAR(y[i], expected, std::abs(expected) * 3e-7) << "n = " << n;
    }
    EXPECT_EQ(y, in_place);
  }
}

TEST_P(RmsNormTest, HugeValuesDoNotOverflow) {
  const std::vector<float> x = {1e30f, -1e30f}, weight = {1, 1};
  std::vector<float> y(2);
  rms_norm(x.data(), weight.data(), 1e-5f, y.data(), 2);
  EXPECT_FLOAT_EQ(y[0], 1);
  EXPECT_FLOAT_EQ(y[1], -1);
}

INSTANTIATE_TEST_SUITE_P(Isas, RmsNormTest, ::testing::ValuesIn(isas_here()),
                         [](const auto& param) { return isa_name(param.param); });

}  // namespace
}  // namespace sain::kernels
