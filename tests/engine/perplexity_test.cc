// The arithmetic of perplexity.h and kl_divergence.h; on real weights see tests/golden/perplexity_test.cc.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "engine/kl_divergence.h"
#include "engine/log_sum_exp.h"

namespace sain::engine {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(LogSumExp, MatchesHandDerivedValues) {
  EXPECT_DOUBLE_EQ(log_sum_exp(std::vector<float>{5}), 5);
  EXPECT_NEAR(log_sum_exp(std::vector<float>{0, 0, 0, 0}), std::log(4), 1e-7);
  EXPECT_NEAR(log_sum_exp(std::vector<float>{std::log(1.0f), std::log(2.0f), std::log(5.0f)}), std::log(8), 1e-6);
}

TEST(LogSumExp, DoesNotOverflowOrVanish) {
  EXPECT_NEAR(log_sum_exp(std::vector<float>{1e30f, 1e30f}), 1e30, 1e24);
  EXPECT_NEAR(log_sum_exp(std::vector<float>{-5000, -5000}), -5000 + std::log(2), 1e-6);
  EXPECT_NEAR(log_sum_exp(std::vector<float>{1, -kInfinity}), 1, 1e-7);
  EXPECT_TRUE(std::isnan(log_sum_exp(std::vector<float>{1, std::nanf("")})));
}

TEST(LogSumExp, AgreesWithDoubleForAnyLength) {
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal(0, 10);
  for (const size_t n : {1u, 7u, 8u, 9u, 100u, 49152u}) {
    std::vector<float> logits(n);
    for (float& logit : logits) logit = normal(random);
    long double sum = 0;
    for (const float logit : logits) sum += std::exp(static_cast<long double>(logit));
    EXPECT_NEAR(log_sum_exp(logits), static_cast<double>(std::log(sum)), 1e-6) << n;
    const kernels::Reduce reduce = kernels::select_reduce(kernels::detect_isa());
    EXPECT_NEAR(log_sum_exp(logits, reduce), static_cast<double>(std::log(sum)), 1e-6) << n;
  }
}

TEST(KlDivergence, MatchesHandDerivedValues) {
  // p = (1/2, 1/2), q = (1/4, 3/4): 1/2 ln 2 + 1/2 ln(2/3) = ln 2 - 1/2 ln 3.
  const std::vector<float> p = {0, 0}, q = {0, std::log(3.0f)};
  EXPECT_NEAR(kl_divergence(p, q), std::log(2) - std::log(3) / 2, 1e-6);
  // The other way round: 1/4 ln(1/2) + 3/4 ln(3/2).
  EXPECT_NEAR(kl_divergence(q, p), 0.25 * std::log(0.5) + 0.75 * std::log(1.5), 1e-6);
}

TEST(KlDivergence, IsZeroForEqualDistributions) {
  const std::vector<float> p = {1, 2, 3, -40}, shifted = {101, 102, 103, 60};
  EXPECT_EQ(kl_divergence(p, p), 0);
  EXPECT_NEAR(kl_divergence(p, shifted), 0, 1e-6);
}

TEST(KlDivergence, HandlesWhatOneSideForbids) {
  EXPECT_NEAR(kl_divergence(std::vector<float>{0, -kInfinity}, std::vector<float>{0, 0}), std::log(2), 1e-6);
  EXPECT_EQ(kl_divergence(std::vector<float>{0, 0}, std::vector<float>{0, -kInfinity}), kInfinity);
}

}  // namespace
}  // namespace sain::engine
