#include "engine/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <set>

#include "engine/sampling/exp.h"
#include "tests/engine/sampling_reference.h"

namespace sain::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::string letter(Token token) {
  return std::string(1, static_cast<char>('a' + token % 26));
}

Sampler make(const SamplerOptions& options, size_t vocab_size) {
  auto sampler = Sampler::create(options, vocab_size, letter);
  EXPECT_TRUE(sampler) << sampler.error().message;
  return *std::move(sampler);
}

Token sample(Sampler& sampler, std::vector<float> logits, std::vector<Token> history = {}) {
  return sampler.sample(logits, history);
}

/// Which tokens 2000 draws give.
std::set<Token> support(const SamplerOptions& options, const std::vector<float>& logits,
                        const std::vector<Token>& history = {}) {
  Sampler sampler = make(options, logits.size());
  std::set<Token> tokens;
  for (int i = 0; i < 2000; ++i) tokens.insert(sample(sampler, logits, history));
  return tokens;
}

// ln 8, ln 4, ln 2, ln 1, ln 1: probabilities 1/2, 1/4, 1/8, 1/16, 1/16, not in rank order.
const std::vector<float> kHalves = {std::log(2.0f), std::log(8.0f), 0.0f, std::log(4.0f), 0.0f};

TEST(Greedy, TakesTheGreatestAndTheLowestIdOnTies) {
  Sampler sampler = make({}, 5);
  EXPECT_EQ(sample(sampler, {0, 3, 1, 3, 2}), 1);
  EXPECT_EQ(sample(sampler, {-5, -4, -3, -2, -1}), 4);
  EXPECT_EQ(sample(sampler, {0, -0.0f, 0, 0, 0}), 0);
}

TEST(Greedy, NeverTakesNonFiniteLogitsUnlessAllAre) {
  Sampler sampler = make({}, 4);
  EXPECT_EQ(sample(sampler, {kNan, kInfinity, -7, -kInfinity}), 2);
  EXPECT_EQ(sample(sampler, {-kInfinity, kNan, kNan, kInfinity}), 0);
  Sampler random = make({.temperature = 1}, 4);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(sample(random, {kNan, kInfinity, -7, -kInfinity}), 2);
    EXPECT_EQ(sample(random, {kNan, kInfinity, kInfinity, -kInfinity}), 0);
  }
}

TEST(Greedy, IgnoresLogitsBeyondTheVocabulary) {
  Sampler sampler = make({}, 2);
  EXPECT_EQ(sample(sampler, {1, 2, 9}), 1);
}

TEST(LogitBias, ForbidsAndPrefers) {
  Sampler forbids = make({.logit_bias = {{1, -kInfinity}}}, 3);
  EXPECT_EQ(sample(forbids, {0, 9, 1}), 2);
  Sampler prefers = make({.logit_bias = {{0, 4.5f}, {0, 4.5f}}}, 3);  // given twice: added twice
  EXPECT_EQ(sample(prefers, {1, 9, 1}), 0);
}

TEST(Penalties, MatchHandDerivedValues) {
  Sampler sampler =
      make({.penalty_last_n = 4, .repetition_penalty = 2, .frequency_penalty = 0.5f, .presence_penalty = 0.25f}, 5);
  std::vector<float> logits = {8, 3, -1, 0, 5};
  const std::vector<Token> history = {0, 1, 2, 1, 3};  // the window leaves out the first 0
  sampler.sample(logits, history);
  EXPECT_THAT(logits, ElementsAre(8.0f, 1.5f - 1.25f, -2.0f - 0.75f, -0.75f, 5.0f));
}

TEST(Penalties, WindowOfMinusOneIsAllAndOfZeroIsNone) {
  const std::vector<Token> history(100, 0);
  std::vector<float> logits = {3, 2};
  make({.penalty_last_n = -1, .frequency_penalty = 0.5f}, 2).sample(logits, history);
  EXPECT_THAT(logits, ElementsAre(3.0f - 50.0f, 2.0f));
  logits = {3, 2};
  make({.penalty_last_n = 0, .frequency_penalty = 0.5f}, 2).sample(logits, history);
  EXPECT_THAT(logits, ElementsAre(3.0f, 2.0f));
}

TEST(Penalties, SkipIdsOutsideTheVocabularyAndLeaveNoTrace) {
  Sampler sampler = make({.repetition_penalty = 1.5f}, 2);
  for (int i = 0; i < 3; ++i) {
    std::vector<float> logits = {3, 2};
    sampler.sample(logits, std::vector<Token>{-1, 2, 1000000, 0, 0});
    EXPECT_THAT(logits, ElementsAre(2.0f, 2.0f));
  }
}

TEST(TopK, KeepsTheFirstKInRankOrder) {
  EXPECT_EQ(support({.top_k = 2, .temperature = 1}, kHalves), (std::set<Token>{1, 3}));
  EXPECT_EQ(support({.top_k = 4, .temperature = 1}, kHalves), (std::set<Token>{0, 1, 2, 3}));  // a tie: the lower id
  EXPECT_EQ(support({.top_k = 99, .temperature = 1}, kHalves), (std::set<Token>{0, 1, 2, 3, 4}));
}

TEST(TopP, KeepsTheShortestBeginningThatReachesP) {
  EXPECT_EQ(support({.top_p = 0, .temperature = 1}, kHalves), (std::set<Token>{1}));
  EXPECT_EQ(support({.top_p = 0.49f, .temperature = 1}, kHalves), (std::set<Token>{1}));
  EXPECT_EQ(support({.top_p = 0.51f, .temperature = 1}, kHalves), (std::set<Token>{1, 3}));
  EXPECT_EQ(support({.top_p = 0.76f, .temperature = 1}, kHalves), (std::set<Token>{0, 1, 3}));
  EXPECT_EQ(support({.top_p = 0.9f, .temperature = 1}, kHalves), (std::set<Token>{0, 1, 2, 3}));
}

TEST(TopP, SeesWhatTopKLeft) {
  // Of 1/2, 1/4 the first has 2/3.
  EXPECT_EQ(support({.top_k = 2, .top_p = 0.6f, .temperature = 1}, kHalves), (std::set<Token>{1}));
  EXPECT_EQ(support({.top_k = 2, .top_p = 0.7f, .temperature = 1}, kHalves), (std::set<Token>{1, 3}));
}

TEST(MinP, KeepsWhatIsLikelyBesideTheMostLikely) {
  EXPECT_EQ(support({.min_p = 1, .temperature = 1}, kHalves), (std::set<Token>{1}));
  EXPECT_EQ(support({.min_p = 0.49f, .temperature = 1}, kHalves), (std::set<Token>{1, 3}));
  EXPECT_EQ(support({.min_p = 0.2f, .temperature = 1}, kHalves), (std::set<Token>{0, 1, 3}));
}

TEST(TypicalP, PrefersTheExpectedSurprise) {
  // H = 1/2 ln 2 + 1/4 ln 4 + 1/8 ln 8 + 2/16 ln 16 = 1.875 ln 2; the surprises are 1, 2, 3, 4, 4 times ln 2. So the
  // order is: probability 1/4 (distance 0.125), 1/2 (0.875), 1/8 (1.125), the two of 1/16.
  EXPECT_EQ(support({.typical_p = 0, .temperature = 1}, kHalves), (std::set<Token>{3}));
  EXPECT_EQ(support({.typical_p = 0.2f, .temperature = 1}, kHalves), (std::set<Token>{3}));
  EXPECT_EQ(support({.typical_p = 0.3f, .temperature = 1}, kHalves), (std::set<Token>{1, 3}));
  EXPECT_EQ(support({.typical_p = 0.8f, .temperature = 1}, kHalves), (std::set<Token>{0, 1, 3}));
}

TEST(Temperature, NearZeroIsGreedyAndHugeIsUniform) {
  EXPECT_EQ(support({.temperature = 1e-30f}, kHalves), (std::set<Token>{1}));
  std::map<Token, int> counts;
  Sampler sampler = make({.temperature = 1e30f}, 4);
  for (int i = 0; i < 40000; ++i) ++counts[sample(sampler, {1, 2, 3, -100})];
  for (Token token = 0; token < 4; ++token) EXPECT_NEAR(counts[token], 10000, 500);  // over 5 standard deviations
}

TEST(Draw, FollowsTheProbabilities) {
  constexpr int kDraws = 160000;
  std::map<Token, int> counts;
  Sampler sampler = make({.temperature = 1, .seed = 7}, kHalves.size());
  for (int i = 0; i < kDraws; ++i) ++counts[sample(sampler, kHalves)];
  const double expected[] = {1 / 8.0, 1 / 2.0, 1 / 16.0, 1 / 4.0, 1 / 16.0};
  for (Token token = 0; token < 5; ++token) {
    const double p = expected[token];
    EXPECT_NEAR(counts[token], kDraws * p, 5 * std::sqrt(kDraws * p * (1 - p))) << "token " << token;
  }
}

TEST(Draw, SameSeedSameDraws) {
  const auto draws = [](uint64_t seed) {
    Sampler sampler = make({.temperature = 2, .seed = seed}, kHalves.size());
    std::vector<Token> tokens;
    for (int i = 0; i < 50; ++i) tokens.push_back(sample(sampler, kHalves));
    return tokens;
  };
  EXPECT_EQ(draws(1), draws(1));
  EXPECT_NE(draws(1), draws(2));
}

TEST(Draw, IsTheSameOnEveryMachine) {
  // 14514284786278117030 is the first output of mt19937_64 seeded with 5489 (its default; C++ fixes the 10000th).
  // Times 2^-64 it is 0.78682..., and of four equal parts that is in the fourth.
  Sampler sampler = make({.temperature = 1, .seed = 5489}, 4);
  EXPECT_EQ(sample(sampler, {2, 2, 2, 2}), 3);
}

TEST(Draws, AreWhatHasBeenPeekedAt) {
  Draws draws(3), plain(3);
  for (size_t n_ahead : {1u, 5u, 64u, 2u, 63u, 64u}) {
    std::vector<double> known;
    for (size_t i = 0; i < n_ahead; ++i) known.push_back(draws.peek(i));
    EXPECT_EQ(draws.peek(0), known[0]);
    for (size_t i = 0; i < (n_ahead + 1) / 2; ++i) {
      EXPECT_EQ(draws.take(), known[i]);
      EXPECT_EQ(plain.take(), known[i]);
    }
  }
}

TEST(PlainSampling, IsAllThatThereIsToDo) {
  const SamplerOptions plain = {.top_k = 40, .top_p = 0.9f, .min_p = 0.1f, .temperature = 0.7f};
  EXPECT_EQ(make(plain, 5).plain_sampling(),
            (PlainSampling{.top_k = 40, .top_p = 0.9f, .min_p = 0.1f, .temperature = 0.7f}));
  const auto with = [&](auto&& change) {
    SamplerOptions options = plain;
    change(options);
    return make(options, 5).plain_sampling().has_value();
  };
  EXPECT_TRUE(with([](SamplerOptions& o) { o.penalty_last_n = 9; }));  // of no penalty
  EXPECT_TRUE(with([](SamplerOptions& o) { o.penalty_last_n = 0, o.presence_penalty = 1; }));
  EXPECT_TRUE(with([](SamplerOptions& o) { o.top_k = 0; }));
  EXPECT_FALSE(with([](SamplerOptions& o) { o.temperature = 0; }));
  EXPECT_FALSE(with([](SamplerOptions& o) { o.typical_p = 0.9f; }));
  EXPECT_FALSE(with([](SamplerOptions& o) { o.logit_bias = {{1, 2.0f}}; }));
  EXPECT_FALSE(with([](SamplerOptions& o) { o.repetition_penalty = 1.1f; }));
  EXPECT_FALSE(with([](SamplerOptions& o) { o.frequency_penalty = 0.1f; }));
  EXPECT_FALSE(with([](SamplerOptions& o) { o.presence_penalty = 0.1f; }));
  EXPECT_FALSE(with([](SamplerOptions& o) { o.dry_multiplier = 0.8f; }));
}

TEST(Reference, AgreesForRandomLogitsAndOptions) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  const auto uniform = [&] { return std::uniform_real_distribution<float>(0, 1)(random); };
  int compared = 0;
  for (int round = 0; round < 3000; ++round) {
    const size_t vocab_size = 1 + random() % (round % 50 == 0 ? 5000 : 60);
    std::vector<float> logits(vocab_size);
    const float spread = std::exp(6 * uniform() - 2);
    for (float& logit : logits) logit = (uniform() - 0.5f) * spread;
    if (round % 7 == 0) logits[random() % vocab_size] = kNan;
    if (round % 11 == 0) logits[random() % vocab_size] = logits[0];
    SamplerOptions options{.temperature = 0.1f + 2 * uniform(), .seed = random()};
    if (random() % 2) options.top_k = static_cast<int>(1 + random() % 80);
    if (random() % 2) options.top_p = uniform();
    if (random() % 2) options.typical_p = uniform();
    if (random() % 2) options.min_p = uniform() * uniform();
    const reference::Items items = reference::truncate(logits, options);
    if (items.empty()) continue;
    Sampler sampler = make(options, vocab_size);
    std::mt19937_64 numbers(options.seed);
    for (int i = 0; i < 5; ++i) {
      const long double u = static_cast<long double>(numbers() >> 11) / 9007199254740992.0L;
      const auto [token, distance] = reference::pick(items, options.temperature, u);
      const Token actual = sample(sampler, logits);
      if (distance < 1e-5L) continue;  // float weights may decide such a draw otherwise
      ++compared;
      ASSERT_EQ(actual, token) << "round " << round << ", vocabulary " << vocab_size << ", top_k " << options.top_k
                               << ", typical_p " << options.typical_p << ", top_p " << options.top_p << ", min_p "
                               << options.min_p << ", temperature " << options.temperature;
    }
  }
  EXPECT_GT(compared, 10000);
}

// --- DRY ---------------------------------------------------------------------------------------------------------

/// Tokens are letters; upper case stands for nothing. Returns what DRY subtracts from each letter's logit.
std::map<char, float> dry_penalties(std::string_view history, SamplerOptions options) {
  options.dry_multiplier = options.dry_multiplier == 0 ? 1 : options.dry_multiplier;
  Sampler sampler = make(options, 26);
  std::vector<float> logits(26, 0.0f);
  std::vector<Token> tokens;
  for (const char c : history) tokens.push_back(c - 'a');
  sampler.sample(logits, tokens);
  std::map<char, float> penalties;
  for (int i = 0; i < 26; ++i) {
    if (logits[i] != 0) penalties[static_cast<char>('a' + i)] = -logits[i];
  }
  return penalties;
}

using Letters = std::map<char, float>;
const SamplerOptions kDry = {.dry_multiplier = 1, .dry_base = 2, .dry_allowed_length = 2, .dry_breakers = {"x"}};

TEST(Dry, PenalisesWhatWouldLengthenARepetition) {
  EXPECT_EQ(dry_penalties("abcdabc", kDry), (Letters{{'d', 2}}));  // "abc" came before "d": 2^(3-2)
  EXPECT_EQ(dry_penalties("abcdzbc", kDry), (Letters{{'d', 1}}));  // "bc"
  EXPECT_EQ(dry_penalties("abcdzzc", kDry), (Letters{}));          // "c" is shorter than allowed
  EXPECT_EQ(dry_penalties("bcdabceabc", kDry), (Letters{{'d', 1}, {'e', 2}}));
  EXPECT_EQ(dry_penalties("aaaa", kDry), (Letters{{'a', 2}}));  // overlapping: "aaa" came before "a"
  EXPECT_EQ(dry_penalties("", kDry), (Letters{}));
  EXPECT_EQ(dry_penalties("a", kDry), (Letters{}));
}

TEST(Dry, BreakersEndMatches) {
  EXPECT_EQ(dry_penalties("abcdxbc", kDry), (Letters{{'d', 1}}));  // the match is "bc", not "abc": x ends it
  EXPECT_EQ(dry_penalties("axcdaxc", kDry), (Letters{}));          // only "c" is after the breaker
  EXPECT_EQ(dry_penalties("abxabx", kDry), (Letters{}));           // ends with a breaker
  EXPECT_EQ(dry_penalties("abcxabc", kDry), (Letters{}));          // a breaker is never penalised
}

TEST(Dry, SearchesOnlyTheWindow) {
  SamplerOptions options = kDry;
  options.dry_last_n = 4;
  EXPECT_EQ(dry_penalties("abcdabc", options), (Letters{}));
  options.dry_last_n = 6;
  EXPECT_EQ(dry_penalties("abcdabc", options), (Letters{{'d', 1}}));  // sees "bcdabc"
}

TEST(Dry, AgreesWithASearchOfAllMatches) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 3000; ++round) {
    std::string history(random() % 40, ' ');
    for (char& c : history) c = "aaabbcx"[random() % 7];
    Letters expected;
    for (size_t end = 1; end < history.size(); ++end) {  // the earlier occurrence ends before `end`
      size_t length = 0;
      while (length < end && history[end - 1 - length] == history[history.size() - 1 - length] &&
             history[end - 1 - length] != 'x') {
        ++length;
      }
      const char next = history[end];
      if (next == 'x' || length < 2) continue;
      expected[next] = std::max(expected[next], std::exp2(static_cast<float>(length) - 2));
    }
    ASSERT_EQ(dry_penalties(history, kDry), expected) << history;
  }
}

// --- Options -----------------------------------------------------------------------------------------------------

void expect_refused(const SamplerOptions& options, std::string_view field, std::string_view value) {
  const auto sampler = Sampler::create(options, 10, letter);
  ASSERT_FALSE(sampler) << field << " = " << value;
  EXPECT_EQ(sampler.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(sampler.error().message, HasSubstr(std::string(field)));
  EXPECT_THAT(sampler.error().message, HasSubstr(std::string(value)));
}

TEST(SamplerOptions, RefusesWhatMakesNoSense) {
  expect_refused({.logit_bias = {{10, 1.0f}}}, "logit_bias", "10");
  expect_refused({.logit_bias = {{-1, 1.0f}}}, "logit_bias", "-1");
  expect_refused({.logit_bias = {{1, kNan}}}, "logit_bias", "nan");
  expect_refused({.logit_bias = {{1, kInfinity}}}, "logit_bias", "inf");
  expect_refused({.penalty_last_n = -2}, "penalty_last_n", "-2");
  for (const float value : {0.0f, -1.0f, kNan, kInfinity}) {
    expect_refused({.repetition_penalty = value}, "repetition_penalty", fmt::format("{}", value));
  }
  expect_refused({.frequency_penalty = 2.5f}, "frequency_penalty", "2.5");
  expect_refused({.frequency_penalty = kNan}, "frequency_penalty", "nan");
  expect_refused({.presence_penalty = -2.5f}, "presence_penalty", "-2.5");
  expect_refused({.dry_multiplier = -1}, "dry_multiplier", "-1");
  expect_refused({.dry_multiplier = kInfinity}, "dry_multiplier", "inf");
  expect_refused({.dry_base = 0.5f}, "dry_base", "0.5");
  expect_refused({.dry_allowed_length = 0}, "dry_allowed_length", "0");
  expect_refused({.dry_last_n = -2}, "dry_last_n", "-2");
  expect_refused({.dry_breakers = {"\n", ""}}, "dry_breakers", "empty");
  expect_refused({.top_k = -1}, "top_k", "-1");
  for (const float value : {-0.5f, 1.5f, kNan}) {
    expect_refused({.typical_p = value}, "typical_p", fmt::format("{}", value));
    expect_refused({.top_p = value}, "top_p", fmt::format("{}", value));
    expect_refused({.min_p = value}, "min_p", fmt::format("{}", value));
  }
  for (const float value : {-0.5f, kNan, kInfinity}) {
    expect_refused({.temperature = value}, "temperature", fmt::format("{}", value));
  }
  EXPECT_FALSE(Sampler::create({}, 0, letter));
}

// --- The exponential ---------------------------------------------------------------------------------------------

TEST(ExpNonpositive, IsCloseToTheTruth) {
  double worst = 0;
  for (double x = 0; x > -87; x -= 1.0 / 1024) {
    const float argument = static_cast<float>(x);
    const double truth = std::exp(double{argument});
    worst = std::max(worst, std::fabs(double{exp_nonpositive(argument)} - truth) / truth);
  }
  EXPECT_LT(worst, 3e-7);
  EXPECT_EQ(exp_nonpositive(0), 1.0f);
  EXPECT_EQ(exp_nonpositive(-100), 0.0f);
  EXPECT_EQ(exp_nonpositive(-kInfinity), 0.0f);
}

}  // namespace
}  // namespace sain::engine
