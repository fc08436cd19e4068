#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <span>
#include <vector>

#include "engine/sampler.h"
#include "engine/vulkan/operators.h"
#include "engine/vulkan/sampling.h"
#include "tests/engine/sampling_reference.h"
#include "tests/support/random_floats.h"
#include "tests/support/vulkan_fixture.h"

namespace sain::engine::vulkan {
namespace {

using formats::Token;
using sain::testing::all_limits;
using sain::testing::limits_name;
using sain::testing::random_floats;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct State {
  shaders::DecodeState state = {};
};

class VulkanSample : public sain::testing::VulkanTest {
 protected:
  static Sampler sampler(const SamplerOptions& options, size_t vocab_size) {
    return *Sampler::create(options, vocab_size, [](Token) { return std::string(); });
  }

  static SamplerOptions options(const PlainSampling& rule, uint64_t seed) {
    SamplerOptions options;
    options.top_k = static_cast<int>(rule.top_k);
    options.top_p = rule.top_p;
    options.min_p = rule.min_p;
    options.temperature = rule.temperature;
    options.seed = seed;
    return options;
  }

  static std::vector<double> draws_of(Sampler& sampler) {
    std::vector<double> draws;
    for (size_t i = 0; i < shaders::kHistory; ++i) draws.push_back(sampler.draws().peek(i));
    return draws;
  }

  /// Where the host writes.
  Slice told() {
    Arena& arena = arenas_.emplace_back(*device_, MemoryKind::kUpload, sizeof(shaders::SamplingState));
    return *arena.allocate(sizeof(shaders::SamplingState));
  }

  /// What the device draws from `logits`, kHistory times.
  std::vector<Token> draw(const std::vector<float>& logits, const PlainSampling& rule,
                          const std::vector<double>& draws) {
    constexpr uint32_t kPosition = 41;  // of the token before the first one
    State before;
    before.state.position = kPosition;
    before.state.n_chosen = 7;
    Sampling sampling(told());
    const std::span all = draws;
    sampling.begin(rule, kPosition + 1, all.first(Sampling::kMostAhead));
    EXPECT_TRUE(sampling.go_on(rule, kPosition + 1 + Sampling::kMostAhead, all.subspan(Sampling::kMostAhead)));
    Sample sample = {.values = put(logits),
                     .n = static_cast<uint32_t>(logits.size()),
                     .pairs = space(Operators::sample_bytes()),
                     .tokens = put(std::vector<uint32_t>{9, 9}),
                     .state = put(std::vector<State>{before}),
                     .sampling = space(sizeof(shaders::SamplingState))};
    const auto record = [&](CommandList& list) {
      list.copy(sampling.state(), sample.sampling);
      list.barrier();
      return rule.top_k > 0 ? operators_->sample_top_k(list, sample) : operators_->sample_all(list, sample);
    };
    CommandList list = *CommandList::create(*device_, *pipelines_);
    EXPECT_TRUE(record(list));
    EXPECT_TRUE(list.finish());
    EXPECT_TRUE(list.run(shaders::kHistory));
    const shaders::DecodeState after = get<State>(sample.state)[0].state;
    EXPECT_EQ(after.position, kPosition + shaders::kHistory);
    EXPECT_EQ(after.n_chosen, 7 + shaders::kHistory);
    std::vector<Token> tokens;
    for (uint32_t i = 0; i < shaders::kHistory; ++i) {
      tokens.push_back(static_cast<Token>(after.history[(7 + i) % shaders::kHistory]));
    }
    EXPECT_EQ(get<uint32_t>(sample.tokens), (std::vector<uint32_t>{static_cast<uint32_t>(tokens.back()), 9}));
    // Once more, the last one alone: nothing moves on.
    sample.n_tokens = 0;
    run(record);
    const shaders::DecodeState same = get<State>(sample.state)[0].state;
    EXPECT_EQ(same.position, after.position);
    EXPECT_EQ(same.n_chosen, after.n_chosen);
    EXPECT_EQ(get<uint32_t>(sample.tokens)[0], static_cast<uint32_t>(tokens.back()));
    arenas_.clear();
    return tokens;
  }

  /// Each token is the one in whose part of the whole its number lies, and as good as always, but for rounding between
  /// two tokens, the one that the sampler of engine/ chooses.
  void expect_alike(const std::vector<float>& logits, const PlainSampling& rule, uint64_t seed) {
    SCOPED_TRACE(fmt::format("{} logits, top_k {}, top_p {}, min_p {}, temperature {}", logits.size(), rule.top_k,
                             rule.top_p, rule.min_p, rule.temperature));
    ASSERT_TRUE(Sampling::can(rule));
    Sampler host = sampler(options(rule, seed), logits.size());
    ASSERT_EQ(host.plain_sampling(), rule);
    const std::vector<double> draws = draws_of(host);
    const std::vector<Token> got = draw(logits, rule, draws);
    const reference::Items candidates = reference::truncate(logits, host.options());
    const auto parts =
        candidates.empty() ? std::vector<long double>() : reference::probabilities(candidates, rule.temperature);
    size_t n_alike = 0;
    for (size_t i = 0; i < got.size(); ++i) {
      std::vector<float> scratch = logits;
      n_alike += host.sample(scratch, {}) == got[i];
      long double before = 0;
      size_t at = 0;
      for (; at < candidates.size() && candidates[at].token != got[i]; ++at) before += parts[at];
      if (candidates.empty()) continue;
      ASSERT_LT(at, candidates.size()) << got[i] << " is no candidate";
      constexpr long double kTolerance = 2e-6;
      EXPECT_GE(draws[i], before - kTolerance) << got[i];
      EXPECT_LE(draws[i], before + parts[at] + kTolerance) << got[i];
    }
    EXPECT_GE(n_alike, got.size() - 1);
  }
};

TEST_P(VulkanSample, ChoosesAsTheSamplerDoes) {
  const std::vector<PlainSampling> rules = {
      {.top_k = 1},
      {.top_k = 40, .temperature = 0.8f},
      {.top_k = shaders::kMostTopK, .temperature = 1.5f},
      {.top_k = 20, .top_p = 0.8f, .temperature = 0.7f},
      {.top_k = 64, .min_p = 0.05f, .temperature = 2},
      {.top_k = 50, .top_p = 0.9f, .min_p = 0.02f, .temperature = 1.2f},
      {.top_k = 5, .top_p = 0, .temperature = 3},
      {.top_k = 7, .min_p = 1, .temperature = 100},
      {.temperature = 0.5f},
      {.temperature = 1.5f},
      {.min_p = 0.05f, .temperature = 1.2f},
      {.min_p = 1, .temperature = 3},
  };
  uint64_t seed = 1;
  for (const uint32_t n : {1u, 7u, 300u, 1031u, 40001u}) {
    const std::vector<float> logits = random_floats(n, n, 4);
    for (const PlainSampling& rule : rules) expect_alike(logits, rule, ++seed);
  }
}

TEST_P(VulkanSample, TiesGoToTheLowestId) {
  std::vector<float> logits(1031, 2.5f);
  expect_alike(logits, {.top_k = 10}, 3);  // 10 of the same
  for (size_t i = 0; i < logits.size(); i += 3) logits[i] = -1;
  expect_alike(logits, {.top_k = 40}, 4);
  logits[1000] = 3;
  expect_alike(logits, {.top_k = 8, .top_p = 0.5f}, 5);  // ends among equals
  expect_alike(logits, {.temperature = 2}, 5);
  logits.assign(500, 0);
  for (size_t i = 0; i < logits.size(); i += 2) logits[i] = -0.0f;
  expect_alike(logits, {.top_k = 5}, 6);
}

TEST_P(VulkanSample, NeverTakesWhatIsNotFinite) {
  std::vector<float> logits(300, kNan);
  for (size_t i = 0; i < logits.size(); i += 2) logits[i] = i % 4 == 0 ? kInfinity : -kInfinity;
  expect_alike(logits, {.top_k = 40}, 1);  // all of them: 0
  expect_alike(logits, {}, 1);
  logits[77] = -3e38f;
  expect_alike(logits, {.top_k = 40}, 1);
  expect_alike(logits, {.min_p = 0.1f}, 1);
  logits[17] = 3e38f;
  expect_alike(logits, {.top_k = 40, .temperature = 1e30f}, 1);
  for (size_t i = 100; i < 120; ++i) logits[i] = -1e-40f * static_cast<float>(i);
  expect_alike(logits, {.top_k = 12, .top_p = 0.99f}, 1);
  expect_alike(logits, {}, 1);
}

TEST_P(VulkanSample, ExtremeTemperaturesAreTheGreatestAndAllAlike) {
  const std::vector<float> logits = random_floats(300, 9, 4);
  expect_alike(logits, {.top_k = 40, .temperature = std::numeric_limits<float>::min()}, 1);
  expect_alike(logits, {.top_k = 40, .temperature = 1e-3f}, 1);
  expect_alike(logits, {.top_k = 40, .temperature = 1e37f}, 1);
  expect_alike(logits, {.temperature = std::numeric_limits<float>::min()}, 1);
  expect_alike(logits, {.temperature = 1e37f}, 1);
  EXPECT_FALSE(Sampling::can({.top_k = 40, .temperature = 1e-40f}));
  EXPECT_FALSE(Sampling::can({.top_p = 0.9f}));
  EXPECT_FALSE(Sampling::can({.top_k = 40, .temperature = 3e38f}));
  EXPECT_FALSE(Sampling::can({.top_k = shaders::kMostTopK + 1}));
}

TEST_P(VulkanSample, LeavesNoNumberWithoutAToken) {
  // The least and the greatest there are.
  const std::vector<float> logits = {0, -200, 1, 0.5f, -200};
  for (const uint32_t top_k : {0u, 5u}) {
    std::vector<double> draws(shaders::kHistory, 0);
    EXPECT_EQ(draw(logits, {.top_k = top_k}, draws), std::vector<Token>(draws.size(), top_k > 0 ? 2 : 0));
    draws.assign(draws.size(), 1 - 0x1p-53);
    EXPECT_EQ(draw(logits, {.top_k = top_k}, draws), std::vector<Token>(draws.size(), top_k > 0 ? 0 : 3))
        << "-200 has no weight";
  }
}

TEST_P(VulkanSample, FollowsTheProbabilities) {
  const std::vector<float> logits = {std::log(2.0f), std::log(8.0f), 0, std::log(4.0f), 0};
  std::map<Token, int> n_drawn;
  constexpr int kRounds = 40, kDraws = kRounds * static_cast<int>(shaders::kHistory);
  for (uint64_t round = 0; round < kRounds; ++round) {
    Sampler host = sampler({.seed = round}, logits.size());
    const uint32_t top_k = round % 2 == 0 ? 5 : 0;
    for (const Token token : draw(logits, {.top_k = top_k}, draws_of(host))) ++n_drawn[token];
  }
  for (const auto& [token, n] : n_drawn) {
    const double p = std::exp(static_cast<double>(logits[token])) / 16;
    EXPECT_NEAR(n, p * kDraws, 5 * std::sqrt(p * (1 - p) * kDraws)) << token;
  }
}

INSTANTIATE_TEST_SUITE_P(Limits, VulkanSample, all_limits(), limits_name);

TEST(VulkanSampling, IsToldWhatIsNew) {
  shaders::SamplingState told = {};
  Slice state;
  state.mapped = reinterpret_cast<std::byte*>(&told);
  Sampling sampling(state);
  const PlainSampling rule = {.top_k = 40};
  const auto number = [](size_t i) { return static_cast<double>(i % 1000) / 1000; };
  const auto numbers = [&](size_t first, size_t n) {
    std::vector<double> draws(n);
    for (size_t i = 0; i < n; ++i) draws[i] = number(first + i);
    return draws;
  };
  const auto told_of = [&](size_t i) {
    const uint32_t* const halves = &told.draws[i % shaders::kHistory * 2];
    return halves[0] * 0x1p-32 + halves[1] * 0x1p-64;
  };
  sampling.begin(rule, 100, numbers(100, 20));
  EXPECT_EQ(told.top_k, 40u);
  EXPECT_EQ(told_of(103), 0.103);
  EXPECT_TRUE(sampling.go_on(rule, 100, numbers(100, 20)));
  for (size_t at = 101; at < 300; at += 3) {
    ASSERT_TRUE(sampling.go_on(rule, at, numbers(at, Sampling::kMostAhead))) << at;
    for (size_t i = at; i < at + Sampling::kMostAhead; ++i) ASSERT_EQ(told_of(i), number(i));
  }
  // Something else, or of tokens that have been forgotten, or that nobody has told it of.
  EXPECT_FALSE(sampling.go_on({.top_k = 39}, 301, numbers(301, 10)));
  EXPECT_FALSE(sampling.go_on(rule, 301, numbers(302, 10)));
  EXPECT_FALSE(sampling.go_on(rule, 200, numbers(200, 10)));
  EXPECT_FALSE(sampling.go_on(rule, 400, numbers(400, 10)));
  EXPECT_TRUE(sampling.go_on(rule, 301, numbers(301, 10)));
}

}  // namespace
}  // namespace sain::engine::vulkan
