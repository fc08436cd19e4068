#include "kernels/activation/activation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/support/random_floats.h"

namespace sain::kernels {
namespace {

using sain::testing::random_floats;

double silu(double x) {
  return x / (1 + std::exp(-x));
}
double gelu_tanh(double x) {
  return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

TEST(ActivationTest, AgreeWithTheirFormulas) {
  for (const size_t n : {1, 7, 8, 33, 1000}) {
    auto gate = random_floats(n, 1, 4);
    gate[0] = -200;  // both tails: exp and x^3 must not spoil them
    if (n > 1) gate[1] = 200;
    const auto up = random_floats(n, 2);
    std::vector<float> silu_out(n), gelu_out = gate;
    select_swiglu(detect_isa())(gate.data(), up.data(), silu_out.data(), n);
    select_geglu(detect_isa())(gelu_out.data(), up.data(), gelu_out.data(), n);
    for (size_t i = 0; i < n; ++i) {
      EXPECT_NEAR(silu_out[i], silu(gate[i]) * up[i], 2e-6 * (1 + std::abs(gate[i] * up[i])));
      EXPECT_NEAR(gelu_out[i], gelu_tanh(gate[i]) * up[i], 2e-6 * (1 + std::abs(gate[i] * up[i])));
    }
  }
}

}  // namespace
}  // namespace sain::kernels
