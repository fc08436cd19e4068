#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "tests/golden/golden.h"

namespace sain::testing {
namespace {

using formats::Token;

struct Candidate {
  Token token;
  double logit;
};

std::vector<Candidate> top(const nlohmann::ordered_json& pairs) {
  std::vector<Candidate> out;
  for (const auto& pair : pairs) out.push_back({pair[0], pair[1]});
  return out;
}

class LogitsGolden : public GoldenTest {};

TEST_P(LogitsGolden, TopTwentyAgreeWithTheFp32Reference) {
  constexpr double kTolerance = 2e-2;
  engine::Session session = exact_session(1024);
  const auto golden = golden_json(GetParam(), "logits");
  ASSERT_EQ(golden["prompts"].size(), 4u);
  for (const auto& prompt : golden["prompts"]) {
    SCOPED_TRACE(prompt["name"].get<std::string>());
    session.reset();
    const auto logits = session.prefill(prompt["prompt_ids"].get<std::vector<Token>>());
    ASSERT_TRUE(logits) << logits.error().message;
    const auto expected = top(prompt["top20"]);
    double largest_error = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
      const double found = (*logits)[static_cast<size_t>(expected[i].token)];
      EXPECT_NEAR(found, expected[i].logit, kTolerance) << "token " << expected[i].token;
      largest_error = std::max(largest_error, std::abs(found - expected[i].logit));
      // In order wherever the reference's gap exceeds the tolerance.
      if (i > 0 && expected[i - 1].logit - expected[i].logit > kTolerance) {
        EXPECT_GT((*logits)[static_cast<size_t>(expected[i - 1].token)], found);
      }
    }
    // Nothing from outside the reference's twenty may stand above its last by more than the tolerance.
    std::vector<float> sorted(logits->begin(), logits->end());
    std::nth_element(sorted.begin(), sorted.begin() + 20, sorted.end(), std::greater<>());
    EXPECT_LE(sorted[20], expected.back().logit + kTolerance);
    double sum = 0;
    for (const float logit : *logits) sum += std::exp(static_cast<double>(logit) - expected[0].logit);
    EXPECT_NEAR(expected[0].logit + std::log(sum), prompt["logsumexp"].get<double>(), kTolerance);
    RecordProperty("largest_error_" + prompt["name"].get<std::string>(), std::to_string(largest_error));
  }
}

INSTANTIATE_TEST_SUITE_P(Models, LogitsGolden, kReferenceModels, test_name);

/// The 1.5B has no fp32 reference: llama.cpp's answer, whose activations are rounded to 8 bits.
class LogitsPeer : public GoldenTest {};

TEST_P(LogitsPeer, AgreeWithinEightBitNoise) {
  constexpr double kTolerance = 0.5;
  engine::Session session = exact_session(1024);
  const auto golden = golden_json(GetParam(), "logits");
  ASSERT_EQ(golden["prompts"].size(), 4u);
  for (const auto& prompt : golden["prompts"]) {
    SCOPED_TRACE(prompt["name"].get<std::string>());
    session.reset();
    const auto logits = session.prefill(prompt["prompt_ids"].get<std::vector<Token>>());
    ASSERT_TRUE(logits) << logits.error().message;
    for (const auto& [token, logit] : top(prompt["top20"])) {
      EXPECT_NEAR((*logits)[static_cast<size_t>(token)], logit, kTolerance) << "token " << token;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, LogitsPeer, ::testing::Values("qwen2.5-coder-1.5b-instruct"), test_name);

}  // namespace
}  // namespace sain::testing
