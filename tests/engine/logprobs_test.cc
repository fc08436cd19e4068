// Log probabilities of generated tokens, against a softmax over the logits that prefill gives.
#include "engine/logprobs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>

#include "engine/session.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace sain::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing::some_tokens;
using testing::TinyModel;

/// Keeps all that comes, and in which order.
struct LogprobSink : TokenSink {
  std::vector<ChosenToken> tokens;
  std::vector<std::string> texts;
  std::vector<size_t> n_texts_before;  // each token
  size_t stop_at_token = std::numeric_limits<size_t>::max();
  std::stop_source stop;

  void on_text(std::string_view text) override { texts.emplace_back(text); }
  void on_token(const ChosenToken& token) override {
    tokens.push_back(token);
    n_texts_before.push_back(texts.size());
    if (tokens.size() == stop_at_token) stop.request_stop();
  }
};

/// ln softmax(logits), the plain way.
std::vector<double> reference(std::span<const float> logits) {
  long double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<long double>(logit));
  std::vector<double> logprobs;
  for (const float logit : logits)
    logprobs.push_back(static_cast<double>(static_cast<long double>(logit) - std::log(sum)));
  return logprobs;
}

/// The ids of the n greatest, equal ones by id.
std::vector<Token> ranked(const std::vector<double>& logprobs, size_t n) {
  std::vector<Token> ids(logprobs.size());
  std::iota(ids.begin(), ids.end(), 0);
  std::ranges::stable_sort(ids, std::greater<>(), [&](Token id) { return logprobs[static_cast<size_t>(id)]; });
  ids.resize(n);
  return ids;
}

class LogprobsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto loaded = Model::load({.path = TinyModel().write(folder / "tiny.gguf")});
    ASSERT_TRUE(loaded) << loaded.error().message;
    model = std::make_unique<Model>(*std::move(loaded));
  }

  Session session(Precision precision = Precision::kExact) {
    auto created = Session::create(*model, pool, {.precision = precision});
    EXPECT_TRUE(created) << created.error().message;
    return *std::move(created);
  }

  testing::TemporaryFolder folder;
  std::unique_ptr<Model> model;
  ThreadPool pool{2};
};

/// All that changes logits in place, and text that repeats itself, so that drafts come true.
GenerateOptions everything_changed(Speculation speculation) {
  GenerateOptions options{.max_tokens = 100, .ignore_end = true, .speculation = speculation, .top_logprobs = 5};
  options.sampler = {.logit_bias = {{7, 6.0f}, {8, 6.0f}, {9, -3.0f}},
                     .repetition_penalty = 1.3f,
                     .frequency_penalty = 0.01f,
                     .top_p = 0.9f,
                     .temperature = 0.3f,
                     .seed = 3};
  return options;
}

TEST_F(LogprobsTest, AreThoseOfTheModelWhateverTheSamplerDoes) {
  for (const Precision precision : {Precision::kExact, Precision::kFast}) {
    for (const Speculation speculation : {Speculation::kPromptLookup, Speculation::kNone}) {
      SCOPED_TRACE(
          fmt::format("precision {}, speculation {}", static_cast<int>(precision), static_cast<int>(speculation)));
      Session s = session(precision), check = session(precision);
      LogprobSink sink;
      const auto g = s.generate(some_tokens(9), everything_changed(speculation), {}, sink);
      ASSERT_TRUE(g) << g.error().message;
      ASSERT_THAT(g->logprobs, SizeIs(100));
      const bool has_drafts = speculation == Speculation::kPromptLookup;
      EXPECT_EQ(g->timings.decode_passes < 99, has_drafts) << "some drafts must come true";
      auto logits = check.prefill(some_tokens(9));
      for (size_t i = 0; i < g->tokens.size(); ++i) {
        SCOPED_TRACE(i);
        ASSERT_TRUE(logits) << logits.error().message;
        const std::vector<double> expected = reference(*logits);
        const ChosenToken& found = g->logprobs[i];
        EXPECT_EQ(found.token, g->tokens[i]);
        EXPECT_NEAR(found.logprob, expected[static_cast<size_t>(found.token)], 1e-4);
        ASSERT_THAT(found.top, SizeIs(5));
        const std::vector<Token> best = ranked(expected, 5);
        for (size_t k = 0; k < best.size(); ++k) {
          EXPECT_EQ(found.top[k].token, best[k]);
          EXPECT_NEAR(found.top[k].logprob, expected[static_cast<size_t>(best[k])], 1e-4);
        }
        logits = check.prefill({{g->tokens[i]}});
      }
    }
  }
}

TEST_F(LogprobsTest, ChangeNoToken) {
  GenerateOptions options = everything_changed(Speculation::kPromptLookup);
  LogprobSink sink, without_sink;
  const auto with = session().generate(some_tokens(9), options, {}, sink);
  options.top_logprobs.reset();
  const auto without = session().generate(some_tokens(9), options, {}, without_sink);
  ASSERT_TRUE(with && without);
  EXPECT_EQ(with->tokens, without->tokens);
  EXPECT_EQ(with->text, without->text);
  EXPECT_THAT(without->logprobs, IsEmpty());
  EXPECT_THAT(without_sink.tokens, IsEmpty());
}

// A caller may decide by the first tokens.
TEST_F(LogprobsTest, StreamTokenByTokenBeforeTheirText) {
  Session s = session();
  LogprobSink sink;
  sink.stop_at_token = 4;
  const auto g = s.generate(some_tokens(5), {.max_tokens = 50, .ignore_end = true, .top_logprobs = 0},
                            sink.stop.get_token(), sink);
  ASSERT_TRUE(g) << g.error().message;
  EXPECT_EQ(g->finish_reason, FinishReason::kCancelled);
  ASSERT_THAT(sink.tokens, SizeIs(4));
  EXPECT_EQ(sink.n_texts_before, (std::vector<size_t>{0, 1, 2, 3}));
  ASSERT_THAT(g->logprobs, SizeIs(4));
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(sink.tokens[i].token, g->tokens[i]);
    EXPECT_EQ(sink.tokens[i].logprob, g->logprobs[i].logprob);
    EXPECT_THAT(sink.tokens[i].top, IsEmpty());
  }
}

TEST_F(LogprobsTest, TheEndHasOneToo) {
  Session s = session();
  LogprobSink sink;
  GenerateOptions options{.max_tokens = 9, .top_logprobs = 1};
  options.sampler.logit_bias = {{TinyModel::kEnd, 1000.0f}};
  const auto g = s.generate(some_tokens(5), options, {}, sink);
  ASSERT_TRUE(g) << g.error().message;
  ASSERT_THAT(g->logprobs, SizeIs(1));
  EXPECT_EQ(g->logprobs[0].token, TinyModel::kEnd);
  EXPECT_LT(g->logprobs[0].logprob, -0.1) << "the bias does not count";
  EXPECT_NE(g->logprobs[0].top[0].token, TinyModel::kEnd);
}

TEST_F(LogprobsTest, MoreThanTwentyAlternativesAreRefused) {
  Session s = session();
  LogprobSink sink;
  const auto most = s.generate(some_tokens(5), {.max_tokens = 1, .top_logprobs = 20}, {}, sink);
  ASSERT_TRUE(most) << most.error().message;
  EXPECT_THAT(most->logprobs[0].top, SizeIs(20));
  const auto more = s.generate(some_tokens(5), {.max_tokens = 1, .top_logprobs = 21}, {}, sink);
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(more.error().message, HasSubstr("top_logprobs must be between 0 and 20, but is 21"));
}

TEST(LogprobMeterTest, TiesInfinitiesAndWhatLiesBeyondTheVocabulary) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  auto meter = LogprobMeter::create(4, 5, kernels::select_reduce(kernels::Isa::kScalar));
  ASSERT_TRUE(meter);
  meter->observe(std::vector<float>{1, 2, -kInf, 2, -kInf, 100});
  const ChosenToken chosen = meter->of(0);
  const double log_sum = std::log(std::exp(1.0) + 2 * std::exp(2.0));
  EXPECT_NEAR(chosen.logprob, 1 - log_sum, 1e-6);
  ASSERT_THAT(chosen.top, SizeIs(3)) << "the others cannot be chosen";
  EXPECT_EQ(chosen.top[0].token, 1);
  EXPECT_EQ(chosen.top[1].token, 3);
  EXPECT_EQ(chosen.top[2].token, 0);
  EXPECT_EQ(meter->of(2).logprob, -kInf);
}

}  // namespace
}  // namespace sain::engine
