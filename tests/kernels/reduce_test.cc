#include "kernels/reduce/reduce.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/support/isas.h"
#include "tests/support/random_floats.h"

namespace sain::kernels {
namespace {

using sain::testing::isas_here;
using sain::testing::random_floats;

class ReduceTest : public ::testing::TestWithParam<Isa> {
 protected:
  const Reduce reduce = select_reduce(GetParam());
};

TEST_P(ReduceTest, FindsTheGreatestAnywhere) {
  for (const size_t n : {1, 7, 8, 9, 16, 17, 63, 64, 65, 130}) {
    auto x = random_floats(n, n);
    for (size_t at = 0; at < n; ++at) {
      const float before = x[at];
      x[at] = 9;
      EXPECT_EQ(reduce.argmax(x.data(), n), at);
      EXPECT_EQ(reduce.max(x.data(), n), 9);
      x[at] = before;
    }
  }
}

TEST_P(ReduceTest, TiesGoToTheLowestIndex) {
  std::vector<float> x(100, -1);
  x[77] = x[31] = x[99] = 4;
  EXPECT_EQ(reduce.argmax(x.data(), x.size()), 31u);
  const std::vector<float> zeros = {-0.0f, 0.0f};
  EXPECT_EQ(reduce.argmax(zeros.data(), 2), 0u);
  EXPECT_EQ(reduce.argmax(x.data(), 31), 0u);
}

TEST_P(ReduceTest, WhatIsNotFiniteIsNeverTheGreatest) {
  for (const size_t n : {5, 50}) {
    std::vector<float> x(n, -INFINITY);
    EXPECT_EQ(reduce.argmax(x.data(), n), 0u);
    EXPECT_EQ(reduce.max(x.data(), n), -INFINITY);
    x[1] = INFINITY;
    x[2] = std::nanf("");
    EXPECT_EQ(reduce.argmax(x.data(), n), 0u);
    EXPECT_EQ(reduce.max(x.data(), n), INFINITY);
    x[4] = -3e38f;
    EXPECT_EQ(reduce.argmax(x.data(), n), 4u);
  }
  EXPECT_EQ(reduce.argmax(nullptr, 0), 0u);
  EXPECT_EQ(reduce.max(nullptr, 0), -INFINITY);
}

TEST_P(ReduceTest, FindsTheFirstAboveAThreshold) {
  for (const size_t n : {0, 1, 7, 8, 9, 16, 17, 33, 100}) {
    std::vector<float> x(n, 2);
    EXPECT_EQ(reduce.find_above(x.data(), 0, n, 2), n);
    EXPECT_EQ(reduce.find_above(x.data(), n, n, 1), n);
    for (size_t at = 0; at < n; ++at) {
      x[at] = 2.5f;
      if (at >= 3) x[at / 2] = std::nanf("");
      for (size_t begin = 0; begin <= n; ++begin) {
        EXPECT_EQ(reduce.find_above(x.data(), begin, n, 2), begin <= at ? at : n) << n << ", from " << begin;
      }
      x[at / 2] = x[at] = 2;
    }
  }
  const std::vector<float> infinite = {-INFINITY, std::nanf(""), INFINITY};
  EXPECT_EQ(reduce.find_above(infinite.data(), 0, 3, -INFINITY), 2u);
}

TEST_P(ReduceTest, SumsExponentials) {
  for (const size_t n : {0, 1, 7, 16, 17, 1000}) {
    const auto x = random_floats(n, 3, 10);
    const float shift = reduce.max(x.data(), n);
    double expected = 0;
    for (const float v : x) expected += std::exp(double{v - shift});
    EXPECT_NEAR(reduce.exp_sum(x.data(), shift, n), expected, 2e-7 * expected) << n;
  }
  const std::vector<float> with_nan = {1, std::nanf("")};
  EXPECT_TRUE(std::isnan(reduce.exp_sum(with_nan.data(), 1, 2)));
  std::vector<float> far(20, -INFINITY);
  far[3] = 0;
  EXPECT_EQ(reduce.exp_sum(far.data(), 0, 20), 1);
}

INSTANTIATE_TEST_SUITE_P(Isas, ReduceTest, ::testing::ValuesIn(isas_here()),
                         [](const auto& param) { return isa_name(param.param); });

}  // namespace
}  // namespace sain::kernels
