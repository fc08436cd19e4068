// The views of a request: what n-grams see, and in which order the views come.
#include "router/features.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

namespace sain::router {
namespace {

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  const auto dot = [](const auto& x, const auto& y) { return std::inner_product(x.begin(), x.end(), y.begin(), 0.0); };
  return dot(a, b) / std::sqrt(dot(a, a) * dot(b, b));
}

TEST(NgramFeaturesTest, LetterCaseAndSpacesDoNotCount) {
  EXPECT_EQ(ngram_features("  Where is\n\tmy PARCEL ", 512), ngram_features("where is my parcel", 512));
  EXPECT_EQ(ngram_features("", 8), ngram_features("", 8)) << "two spaces are too short for a run";
}

TEST(NgramFeaturesTest, AlikeWordsAreNearOthersAreNot) {
  const auto order = ngram_features("cancel the order", 512);
  EXPECT_GT(cosine(order, ngram_features("cancelled orders", 512)), 0.4);
  EXPECT_LT(std::abs(cosine(order, ngram_features("what a fine day", 512))), 0.2);
}

TEST(NgramFeaturesTest, ARunThatComesAgainCountsLess) {
  // 1 + ln(n): " aaa" and so on come once, "aaa" n times.
  const auto more = ngram_features("aaaaaaaaa", 1 << 16);
  double greatest = 0;
  for (const float value : more) greatest = std::max(greatest, std::abs(double{value}));
  EXPECT_NEAR(greatest, 1 + std::log(7), 1e-6);
}

TEST(FeatureExtractorTest, ViewsComeInOrderWithTheirSizes) {
  FeatureExtractor features(
      [](std::string_view) {
        return Result<std::vector<float>>(std::vector<float>{7, 8});
      },
      2, std::nullopt);
  ASSERT_EQ(features.views().size(), 2u);
  EXPECT_EQ(features.views()[0].size, 2u);
  const auto values = features.extract("hello");
  ASSERT_TRUE(values);
  EXPECT_EQ(values->size(), features.views()[0].size + features.views()[1].size);
  EXPECT_EQ((*values)[0], 7);
  EXPECT_EQ((*values)[1], 8);
}

TEST(FeatureExtractorTest, WhatTheHiddenStateCannotTellIsAnError) {
  FeatureExtractor features(
      [](std::string_view) -> Result<std::vector<float>> { return make_error(ErrorCode::kInvalidArgument, "empty"); },
      2, std::nullopt);
  EXPECT_EQ(features.extract("").error().message, "empty");
}

}  // namespace
}  // namespace sain::router
