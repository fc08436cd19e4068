#include "kernels/elementwise/elementwise.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/support/isas.h"
#include "tests/support/random_floats.h"

namespace sain::kernels {
namespace {

using sain::testing::isas_here;
using sain::testing::random_floats;

class ElementwiseTest : public ::testing::TestWithParam<Isa> {};

TEST_P(ElementwiseTest, AddsAndScales) {
  const Elementwise elementwise = select_elementwise(GetParam());
  for (const size_t n : {0, 1, 7, 8, 9, 15, 16, 17, 33, 577}) {
    const auto x = random_floats(n, 1);
    auto y = random_floats(n, 2), expected = y;
    elementwise.add(x.data(), y.data(), n);
    elementwise.scale(0.3f, y.data(), n);
    for (size_t i = 0; i < n; ++i) expected[i] = (expected[i] + x[i]) * 0.3f;
    EXPECT_EQ(y, expected) << n;
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, ElementwiseTest, ::testing::ValuesIn(isas_here()),
                         [](const auto& param) { return isa_name(param.param); });

}  // namespace
}  // namespace sain::kernels
