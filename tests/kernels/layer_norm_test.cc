#include "kernels/layer_norm/layer_norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "tests/support/isas.h"
#include "tests/support/random_floats.h"

namespace sain::kernels {
namespace {

using sain::testing::isas_here;
using sain::testing::random_floats;

class LayerNormTest : public ::testing::TestWithParam<Isa> {
 protected:
  const LayerNorm layer_norm = select_layer_norm(GetParam());
};

TEST_P(LayerNormTest, AgreesWithTheFormulaOnOddLengths) {
  for (const size_t n : {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 64, 384, 1001}) {
    for (const float offset : {0.0f, 50.0f}) {
      auto x = random_floats(n, 1, 3);
      for (float& v : x) v += offset;
      const auto weight = random_floats(n, 2), bias = random_floats(n, 3);
      std::vector<float> y(n), in_place = x;
      layer_norm(x.data(), weight.data(), bias.data(), 1e-5f, y.data(), n);
      layer_norm(in_place.data(), weight.data(), bias.data(), 1e-5f, in_place.data(), n);
      const double mean = std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(n);
      double squares = 0;
      for (const float v : x) squares += (double{v} - mean) * (double{v} - mean);
      const double scale = 1 / std::sqrt(squares / static_cast<double>(n) + 1e-5);
      for (size_t i = 0; i < n; ++i) {
        const double expected = (double{x[i]} - mean) * scale * double{weight[i]} + double{bias[i]};
        // The mean is rounded to a float, which may be half of its last place.
        EXPECT_NEAR(y[i], expected, 1e-6 * (1 + std::abs(expected)) + 6e-8 * scale * std::abs(mean)) << "n = " << n;
      }
      EXPECT_EQ(y, in_place);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, LayerNormTest, ::testing::ValuesIn(isas_here()),
                         [](const auto& param) { return isa_name(param.param); });

}  // namespace
}  // namespace sain::kernels
