#include "kernels/activation/activation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/support/isas.h"
#include "tests/support/random_floats.h"

namespace sain::kernels {
namespace {

using sain::testing::isas_here;
using sain::testing::random_floats;

double silu(double x) {
  return x / (1 + std::exp(-x));
}
double gelu_tanh(double x) {
  return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

class ActivationTest : public ::testing::TestWithParam<Isa> {};

TEST_P(ActivationTest, AgreeWithTheirFormulas) {
  for (const size_t n : {1, 7, 8, 9, 15, 16, 17, 33, 1000}) {
    auto gate = random_floats(n, 1, 4);
    gate[0] = -200;  // both tails: exp and x^3 must not spoil them
    if (n > 1) gate[1] = 200;
    if (n > 2) gate[2] = 1e-6f;
    const auto up = random_floats(n, 2);
    std::vector<float> silu_out(n), gelu_out = gate;
    select_swiglu(GetParam())(gate.data(), up.data(), silu_out.data(), n);
    select_geglu(GetParam())(gelu_out.data(), up.data(), gelu_out.data(), n);
    for (size_t i = 0; i < n; ++i) {
      EXPECT_NEAR(silu_out[i], silu(gate[i]) * up[i], 2e-6 * (1 + std::abs(gate[i] * up[i])));
      EXPECT_NEAR(gelu_out[i], gelu_tanh(gate[i]) * up[i], 2e-6 * (1 + std::abs(gate[i] * up[i])));
    }
  }
}

TEST_P(ActivationTest, ExtremesAreNotSpoilt) {
  const std::vector<float> gate = {1e30f, -1e30f, 0, std::nanf("")}, up = {2, 2, 2, 2};
  for (const GatedActivation activate : {select_swiglu(GetParam()), select_geglu(GetParam())}) {
    std::vector<float> out(gate.size());
    activate(gate.data(), up.data(), out.data(), gate.size());
    EXPECT_EQ(out[0], 2e30f);
    EXPECT_EQ(out[1], 0);
    EXPECT_EQ(out[2], 0);
    EXPECT_TRUE(std::isnan(out[3]));
  }
}

TEST_P(ActivationTest, GeluIsExact) {
  const PlainActivation gelu = select_gelu(GetParam());
  std::vector<float> x = random_floats(5003, 3, 3), out(x.size());
  x[0] = 0, x[1] = -200, x[2] = 200, x[3] = 1e-6f, x[4] = -1e-6f, x[5] = 1e30f, x[6] = -1e30f, x[7] = std::nanf("");
  gelu(x.data(), out.data(), x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    if (i == 7) continue;
    const double expected = double{x[i]} * std::erfc(-double{x[i]} / std::sqrt(2.0)) / 2;
    ASSERT_NEAR(out[i], expected, 3e-7 * std::abs(double{x[i]})) << "of " << x[i];
  }
  EXPECT_TRUE(std::isnan(out[7]));
  for (const size_t n : {0, 1, 7, 8, 9, 15, 16, 17, 33}) {  // in place, and not beyond the end
    std::vector<float> y(x.begin() + 100, x.begin() + 140);
    gelu(y.data(), y.data(), n);
    for (size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i], i < n ? out[100 + i] : x[100 + i]) << i << " of " << n;
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, ActivationTest, ::testing::ValuesIn(isas_here()),
                         [](const auto& param) { return isa_name(param.param); });

}  // namespace
}  // namespace sain::kernels
