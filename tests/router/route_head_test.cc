// The trained head: it learns, it is calibrated, it is the same every time, and a damaged file is refused.
#include "router/route_head.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <numeric>
#include <random>

namespace sain::router {
namespace {

using ::testing::HasSubstr;

/// Gaussian clouds around one centre an intent; two intents a group.
HeadExamples clouds(uint32_t n_intents, uint32_t n_features, uint32_t n_each, double noise, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  std::mt19937_64 centre_random(1);  // the same centres for every seed
  std::vector<double> centres(n_intents * n_features);
  for (double& value : centres) value = normal(centre_random);
  HeadExamples examples{.views = {{n_features, 1}}, .n_intents = n_intents};
  for (uint32_t k = 0; k < n_intents; ++k) {
    examples.intent_group.push_back(k / 2);
    for (uint32_t i = 0; i < n_each; ++i) {
      examples.labels.push_back(k);
      for (uint32_t j = 0; j < n_features; ++j)
        examples.features.push_back(
            static_cast<float>(100 + 5 * (centres[k * n_features + j] + noise * normal(random))));
    }
  }
  return examples;
}

std::span<const float> row(const HeadExamples& examples, size_t i) {
  return std::span(examples.features).subspan(i * examples.n_features(), examples.n_features());
}

TEST(RouteHeadTest, LearnsSeparableIntents) {
  const auto head = RouteHead::train(clouds(8, 16, 12, 0.3, 7));
  ASSERT_TRUE(head) << head.error().message;
  const HeadExamples held_out = clouds(8, 16, 20, 0.3, 8);
  size_t n_right = 0;
  for (size_t i = 0; i < held_out.labels.size(); ++i) {
    const auto p = head->classify(row(held_out, i));
    ASSERT_TRUE(p);
    EXPECT_NEAR(std::accumulate(p->probabilities.begin(), p->probabilities.end(), 0.0), 1, 1e-9);
    n_right += static_cast<uint32_t>(std::max_element(p->probabilities.begin(), p->probabilities.end()) -
                                     p->probabilities.begin()) == held_out.labels[i];
  }
  EXPECT_GE(n_right, held_out.labels.size() * 98 / 100);
}

TEST(RouteHeadTest, CalibratedConfidenceIsNearTheShareThatIsRight) {
  // So much noise that many are wrong: a head that is sure of everything would fail here.
  const auto head = RouteHead::train(clouds(6, 24, 60, 3.0, 3));
  ASSERT_TRUE(head);
  const HeadExamples held_out = clouds(6, 24, 200, 3.0, 4);
  double confidence = 0, right = 0;
  for (size_t i = 0; i < held_out.labels.size(); ++i) {
    const auto p = head->classify(row(held_out, i));
    std::vector<double> groups(3);
    for (size_t k = 0; k < p->probabilities.size(); ++k) groups[k / 2] += p->probabilities[k];
    const auto best = std::max_element(groups.begin(), groups.end());
    confidence += *best;
    right += static_cast<uint32_t>(best - groups.begin()) == held_out.labels[i] / 2;
  }
  const double n = static_cast<double>(held_out.labels.size());
  EXPECT_LT(right / n, 0.95);
  EXPECT_NEAR(confidence / n, right / n, 0.1);
}

TEST(RouteHeadTest, WhatIsLikeNoExampleIsUnfamiliar) {
  const auto head = RouteHead::train(clouds(8, 32, 20, 0.5, 7));
  ASSERT_TRUE(head);
  const HeadExamples known = clouds(8, 32, 25, 0.5, 8);
  size_t n_unfamiliar = 0;
  for (size_t i = 0; i < known.labels.size(); ++i) n_unfamiliar += head->classify(row(known, i))->familiarity < 0.05;
  EXPECT_LT(n_unfamiliar, known.labels.size() / 10) << "about a twentieth is what was asked for";

  std::mt19937_64 random(3);
  std::normal_distribution<float> normal;
  for (int i = 0; i < 50; ++i) {
    std::vector<float> stray(32);
    for (float& value : stray) value = 100 + 5 * normal(random);  // as far from the mean as the others, elsewhere
    EXPECT_LT(head->classify(stray)->familiarity, 0.05);
  }
}

TEST(RouteHeadTest, BackgroundIsUnfamiliarUnlessItIsLikeTheExamples) {
  // The intents are six of eight clouds; the seventh is the background, and so is a part of the first by mistake.
  const HeadExamples all = clouds(8, 32, 20, 1.0, 7), others = clouds(8, 32, 20, 1.0, 8);
  const auto of_cloud = [](const HeadExamples& from, uint32_t cloud, size_t i) { return row(from, cloud * 20 + i); };
  HeadExamples examples{.views = all.views, .n_intents = 6, .intent_group = {0, 0, 1, 1, 2, 2}};
  const auto add = [&examples](std::span<const float> features, uint32_t label) {
    examples.features.insert(examples.features.end(), features.begin(), features.end());
    examples.labels.push_back(label);
  };
  for (uint32_t k = 0; k < 6; ++k)
    for (size_t i = 0; i < 20; ++i) add(of_cloud(all, k, i), k);
  const auto without = RouteHead::train(examples);
  for (size_t i = 0; i < 20; ++i) add(of_cloud(all, 6, i), 6);
  for (size_t i = 0; i < 10; ++i) add(of_cloud(others, 0, i), 6);
  const auto head = RouteHead::train(examples);
  ASSERT_TRUE(without && head);
  EXPECT_EQ(without->n_background(), 0u);
  EXPECT_GE(head->n_background(), 18u);
  EXPECT_LE(head->n_background(), 22u) << "what is like the first cloud is no background";
  double more = 0, known = 0;
  for (size_t i = 0; i < 20; ++i) {
    more +=
        without->classify(of_cloud(others, 6, i))->familiarity - head->classify(of_cloud(others, 6, i))->familiarity;
    known += head->classify(of_cloud(others, 1, i))->familiarity / 20;
  }
  EXPECT_GE(more, 0);
  EXPECT_GT(known, 0.3);
}

TEST(RouteHeadTest, ViewsHaveTheirWeights) {
  // The second view tells the two intents apart, the first is noise that is a thousand times as large.
  HeadExamples examples{.views = {{4, 0.1F}, {2, 1}}, .n_intents = 2, .intent_group = {0, 1}};
  std::mt19937_64 random(5);
  std::normal_distribution<float> normal;
  const auto add = [&](std::vector<float>& out, uint32_t label) {
    for (int j = 0; j < 4; ++j) out.push_back(1000 * normal(random));
    out.push_back(label == 0 ? 1.0F : -1.0F);
    out.push_back(normal(random) * 0.1F);
  };
  for (uint32_t i = 0; i < 40; ++i) {
    add(examples.features, i / 20);
    examples.labels.push_back(i / 20);
  }
  const auto head = RouteHead::train(examples);
  ASSERT_TRUE(head) << head.error().message;
  for (uint32_t i = 0; i < 20; ++i) {
    std::vector<float> request;
    add(request, i % 2);
    EXPECT_GT(head->classify(request)->probabilities[i % 2], 0.8);
  }
}

TEST(RouteHeadTest, TheSameExamplesGiveTheSameHead) {
  const HeadExamples examples = clouds(6, 10, 10, 1.0, 11);
  const auto first = RouteHead::train(examples), second = RouteHead::train(examples);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->classify(row(examples, 5))->probabilities, second->classify(row(examples, 5))->probabilities);
  EXPECT_EQ(first->temperature(), second->temperature());
}

TEST(RouteHeadTest, ConstantFeaturesAndSingleExamplesAreFine) {
  HeadExamples examples{.views = {{3, 1}}, .n_intents = 2, .intent_group = {0, 1}};
  examples.features = {1, 5, 0, 1, -5, 0};
  examples.labels = {0, 1};
  const auto head = RouteHead::train(examples);
  ASSERT_TRUE(head) << head.error().message;
  EXPECT_GT(head->classify(row(examples, 0))->probabilities[0], 0.5);
  EXPECT_GT(head->classify(row(examples, 1))->probabilities[1], 0.5);
}

TEST(RouteHeadTest, RefusesBadExamples) {
  EXPECT_FALSE(RouteHead::train({}));
  HeadExamples examples = clouds(2, 4, 3, 1, 1);
  examples.labels[5] = 3;
  EXPECT_THAT(RouteHead::train(examples).error().message, HasSubstr("label 3 is not at most 2"));
  examples = clouds(2, 4, 3, 1, 1);
  std::swap(examples.labels[0], examples.labels[5]);
  EXPECT_THAT(RouteHead::train(examples).error().message, HasSubstr("not in order"));
  examples = clouds(2, 4, 3, 1, 1);
  examples.features[1] = NAN;
  EXPECT_THAT(RouteHead::train(examples).error().message, HasSubstr("not finite"));
  examples = clouds(2, 4, 3, 1, 1);
  examples.features.pop_back();
  EXPECT_FALSE(RouteHead::train(examples));
}

TEST(RouteHeadTest, RefusesBadFeatures) {
  const auto head = RouteHead::train(clouds(2, 4, 3, 1, 1));
  ASSERT_TRUE(head);
  EXPECT_FALSE(head->classify(std::vector<float>(3)));
  EXPECT_FALSE(head->classify(std::vector<float>{1, 2, INFINITY, 4}));
}

class RouteHeadFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = std::filesystem::temp_directory_path() / fmt::format("sain-head-test-{}", ::getpid()) / "a.head";
    key_.fill(7);
    examples_ = clouds(4, 6, 10, 0.5, 21);
    auto head = RouteHead::train(examples_);
    ASSERT_TRUE(head);
    expected_ = head->classify(row(examples_, 3))->probabilities;
    const Status saved = head->save(path_, key_);
    ASSERT_TRUE(saved) << saved.error().message;
    std::ifstream in(path_, std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(in), {});
  }
  void TearDown() override { std::filesystem::remove_all(path_.parent_path()); }

  void write(std::string_view bytes) { std::ofstream(path_, std::ios::binary) << bytes; }

  std::filesystem::path path_;
  HeadKey key_;
  HeadExamples examples_;
  std::vector<double> expected_;
  std::string bytes_;
};

TEST_F(RouteHeadFileTest, ComesBackEqual) {
  const auto head = RouteHead::load(path_, key_);
  ASSERT_TRUE(head) << head.error().message;
  EXPECT_EQ(head->classify(row(examples_, 3))->probabilities, expected_);
}

TEST_F(RouteHeadFileTest, AbsentIsNotFound) {
  EXPECT_EQ(RouteHead::load(path_.string() + "x", key_).error().code, ErrorCode::kNotFound);
}

TEST_F(RouteHeadFileTest, AnotherKeyIsRefused) {
  HeadKey other = key_;
  other[31] ^= 1;
  const auto head = RouteHead::load(path_, other);
  ASSERT_FALSE(head);
  EXPECT_EQ(head.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(head.error().message, HasSubstr("another assistant or other examples"));
}

TEST_F(RouteHeadFileTest, EveryDamagedByteIsRefused) {
  for (size_t i = 0; i < bytes_.size(); ++i) {
    std::string damaged = bytes_;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    write(damaged);
    const auto head = RouteHead::load(path_, key_);
    ASSERT_FALSE(head) << "byte " << i;
    EXPECT_THAT(head.error().message, HasSubstr(path_.string()));
  }
}

TEST_F(RouteHeadFileTest, EveryCutIsRefused) {
  for (size_t size = 0; size < bytes_.size(); ++size) {
    write(std::string_view(bytes_).substr(0, size));
    ASSERT_FALSE(RouteHead::load(path_, key_)) << size;
  }
  write(bytes_ + "x");
  EXPECT_FALSE(RouteHead::load(path_, key_));
}

TEST_F(RouteHeadFileTest, AFolderThatCannotBeMadeIsAnError) {
  const auto head = RouteHead::load(path_, key_);
  ASSERT_TRUE(head);
  const Status saved = head->save(path_ / "below-a-file" / "b.head", key_);
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace sain::router
