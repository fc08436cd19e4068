#include "engine/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <numeric>

#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace sain::engine {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::random_floats;
using ::testing::SizeIs;
using testing::some_tokens;
using testing::TinyModel;

std::vector<float> copy(const Result<std::span<const float>>& logits) {
  EXPECT_TRUE(logits) << logits.error().message;
  return logits ? std::vector<float>(logits->begin(), logits->end()) : std::vector<float>();
}

void expect_near(const std::vector<float>& found, const std::vector<float>& expected, float tolerance) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], tolerance) << "element " << i;
}

/// Keeps the text, and asks to stop at the given call.
struct CountingSink : TokenSink {
  std::string text;
  size_t calls = 0;
  size_t stop_at_call = std::numeric_limits<size_t>::max();
  std::stop_source stop;

  void on_text(std::string_view piece) override {
    text += piece;
    if (++calls == stop_at_call) stop.request_stop();
  }
};

class SessionTest : public ::testing::Test {
 protected:
  // Other orders of summation move logits of about 5 by up to some 1e-5.
  static constexpr float kTolerance = 1e-4f;

  void load(const TinyModel& tiny) {
    auto loaded = Model::load({.path = tiny.write(folder / "tiny.gguf")});
    ASSERT_TRUE(loaded) << loaded.error().message;
    model = std::make_unique<Model>(*std::move(loaded));
  }
  void SetUp() override { load(TinyModel()); }

  Session session(const SessionOptions& options = {.precision = Precision::kExact}) { return session(pool, options); }
  Session session(ThreadPool& threads, const SessionOptions& options) {
    auto created = Session::create(*model, threads, options);
    EXPECT_TRUE(created) << created.error().message;
    return *std::move(created);
  }

  void expect_drafts_change_nothing();

  Generation generate(Session& s, const std::vector<Token>& tokens, const GenerateOptions& options) {
    CountingSink sink;
    auto generation = s.generate(tokens, options, {}, sink);
    EXPECT_TRUE(generation) << generation.error().message;
    if (!generation) return {};
    EXPECT_EQ(generation->text, sink.text);
    return *std::move(generation);
  }

  testing::TemporaryFolder folder;
  std::unique_ptr<Model> model;
  ThreadPool pool{2};
};

/// Makes every draw `token`.
GenerateOptions always(Token token, uint32_t max_tokens) {
  GenerateOptions options{.max_tokens = max_tokens};
  options.sampler.logit_bias = {{token, 1000.0f}};
  return options;
}

TEST_F(SessionTest, ContextLengthIsTheModelsByDefaultAndNeverMore) {
  EXPECT_EQ(session({}).context_length(), 320u);
  EXPECT_EQ(session({.context_length = 7}).context_length(), 7u);
  EXPECT_EQ(session({.context_length = 320}).context_length(), 320u);
  const auto too_long = Session::create(*model, pool, {.context_length = 321});
  ASSERT_FALSE(too_long);
  EXPECT_EQ(too_long.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(too_long.error().message, HasSubstr("at most the model's 320, found 321"));

  TinyModel long_context;
  long_context.set("context_length", uint32_t{1} << 28);
  load(long_context);
  EXPECT_EQ(session({}).context_length(), 4096u);
}

TEST_F(SessionTest, KvBytesAreWhatTheCacheTakes) {
  EXPECT_EQ(session({.context_length = 10, .precision = Precision::kExact}).kv_bytes(), 2u * 2 * 10 * 16 * 4);
  EXPECT_EQ(session({.context_length = 10, .precision = Precision::kFast}).kv_bytes(), 2u * 2 * 10 * 16 * 2);
}

TEST_F(SessionTest, RefusesTokensAndKeepsTheConversation) {
  Session s = session({.context_length = 10});
  ASSERT_TRUE(s.prefill(some_tokens(4)));
  struct Case {
    std::vector<Token> tokens;
    ErrorCode code;
    const char* message;
  };
  const Case cases[] = {
      {{}, ErrorCode::kInvalidArgument, "at least one token"},
      {{2, 96}, ErrorCode::kInvalidArgument, "token 1: expected an id from 0 to 95, found 96"},
      {{-1}, ErrorCode::kInvalidArgument, "token 0: expected an id from 0 to 95, found -1"},
      {{5, 5, std::numeric_limits<Token>::min()}, ErrorCode::kInvalidArgument, "token 2"},
  };
  const auto check = [&](const auto& result, const Case& c) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, c.code);
    EXPECT_THAT(result.error().message, HasSubstr(c.message));
    EXPECT_THAT(s.history(), ElementsAreArray(some_tokens(4)));
  };
  const auto check_appending = [&](const Case& c) {
    CountingSink sink;
    check(s.prefill(c.tokens), c);
    check(s.prefill_all(c.tokens, [](size_t, std::span<const float>) { FAIL(); }), c);
    check(s.generate(c.tokens, {}, {}, sink), c);
    EXPECT_EQ(sink.calls, 0u);
  };
  for (const Case& c : cases) {
    check_appending(c);
    check(s.hidden_state(c.tokens, 1), c);
  }
  check_appending({some_tokens(7), ErrorCode::kResourceExhausted, "7 tokens, and 6 of the context's 10 are free"});
  check(s.hidden_state(some_tokens(11), 1), {{}, ErrorCode::kResourceExhausted, "11 tokens"});
  for (const uint32_t layers : {0u, 3u}) {
    check(s.hidden_state(some_tokens(2), layers), {{}, ErrorCode::kInvalidArgument, "layers: expected 1 to 2"});
  }
  EXPECT_TRUE(s.prefill(some_tokens(6)));
  EXPECT_THAT(s.history(), SizeIs(10));
}

TEST_F(SessionTest, RefusesSamplerAndStopStringsBeforeItReadsThePrompt) {
  Session s = session();
  CountingSink sink;
  GenerateOptions bad_sampler;
  bad_sampler.sampler.temperature = -1;
  const auto sampler = s.generate(some_tokens(3), bad_sampler, {}, sink);
  ASSERT_FALSE(sampler);
  EXPECT_THAT(sampler.error().message, HasSubstr("temperature"));
  const auto stop = s.generate(some_tokens(3), {.stop_strings = {""}}, {}, sink);
  ASSERT_FALSE(stop);
  EXPECT_EQ(stop.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(s.history(), IsEmpty());
  EXPECT_EQ(sink.calls, 0u);
}

TEST_F(SessionTest, GeneratesUntilTheContextIsFull) {
  Session s = session({.context_length = 20});
  const Generation g = generate(s, some_tokens(17), {.ignore_end = true});
  EXPECT_EQ(g.finish_reason, FinishReason::kContext);
  EXPECT_EQ(to_string(g.finish_reason), "context");
  // Three fit beside the prompt; the fourth is known and has no place any more.
  EXPECT_THAT(g.tokens, SizeIs(4));
  EXPECT_THAT(s.history(), SizeIs(20));

  s.reset();
  const Generation full = generate(s, some_tokens(20), {.ignore_end = true});
  EXPECT_EQ(full.finish_reason, FinishReason::kContext);
  EXPECT_THAT(full.tokens, SizeIs(1));

  CountingSink sink;
  const auto none = s.generate(some_tokens(1), {}, {}, sink);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::kResourceExhausted);
}

/// Repeats itself, so that drafts come true, and changes now and then, so that they do not.
GenerateOptions with_speculation(Speculation speculation, float temperature) {
  GenerateOptions options{.max_tokens = 120, .ignore_end = true, .speculation = speculation};
  options.sampler = {.logit_bias = {{7, 6.0f}, {8, 6.0f}}, .temperature = temperature, .seed = 3};
  return options;
}

void SessionTest::expect_drafts_change_nothing() {
  for (const SessionOptions& options :
       {SessionOptions{.precision = Precision::kExact}, SessionOptions{},
        SessionOptions{.context_length = 160, .policy = ContextPolicy::kStream},
        SessionOptions{.context_length = 160, .precision = Precision::kExact, .policy = ContextPolicy::kStream}}) {
    for (const float temperature : {0.0f, 0.3f, 1.0f}) {
      Session with = session(options), without = session(options);
      uint32_t n_saved = 0;
      for (int turn = 0; turn < 2; ++turn) {
        const Generation a = generate(with, some_tokens(9), with_speculation(Speculation::kPromptLookup, temperature));
        const Generation b = generate(without, some_tokens(9), with_speculation(Speculation::kNone, temperature));
        EXPECT_EQ(a.tokens, b.tokens) << "policy " << static_cast<int>(options.policy) << ", temperature "
                                      << temperature << ", turn " << turn;
        EXPECT_EQ(a.timings.decode_tokens, 119u);
        EXPECT_EQ(b.timings.decode_passes, 119u);
        n_saved += 119 - a.timings.decode_passes;
      }
      if (model->config().sliding_window == 0) {
        EXPECT_GT(n_saved, 0u) << "temperature " << temperature;
      }
      EXPECT_EQ(with.n_tokens(), without.n_tokens());
      EXPECT_THAT(with.history(), ElementsAreArray(without.history()));
      expect_near(copy(with.prefill(some_tokens(3))), copy(without.prefill(some_tokens(3))), kTolerance);
    }
  }
}

TEST_F(SessionTest, DraftsChangeNoAnswer) {
  expect_drafts_change_nothing();
}

// Past 16 tokens sums over a window are taken in another order for each token, so there must not be drafts.
TEST_F(SessionTest, DraftsChangeNoAnswerOfAModelWithSlidingWindows) {
  load(TinyModel("gemma3"));
  expect_drafts_change_nothing();
}

TEST_F(SessionTest, TheLastTokenGeneratedIsPartOfTheConversation) {
  Session whole = session(), parts = session();
  const Generation all = generate(whole, some_tokens(5), {.max_tokens = 9, .ignore_end = true});
  const Generation first = generate(parts, some_tokens(5), {.max_tokens = 4, .ignore_end = true});
  EXPECT_EQ(parts.n_tokens(), 9u);
  std::vector<Token> rest = {all.tokens.begin() + 4, all.tokens.end()};
  expect_near(copy(parts.prefill(rest)),
              copy(session().prefill(std::vector<Token>(whole.history().begin(), whole.history().end()))), kTolerance);
  EXPECT_THAT(parts.history(), ElementsAreArray(whole.history()));
  parts.truncate(8);
  EXPECT_EQ(parts.n_tokens(), 8u);
  generate(parts, some_tokens(2), {.max_tokens = 1, .ignore_end = true});
  parts.truncate(10);  // all but the last, which no pass has taken
  EXPECT_EQ(parts.n_tokens(), 10u);
  const Generation again = generate(parts, {first.tokens[0]}, {.max_tokens = 3, .ignore_end = true});
  EXPECT_EQ(parts.n_tokens(), 14u);
  EXPECT_THAT(again.tokens, SizeIs(3));
}

TEST_F(SessionTest, GeneratesMaxTokens) {
  Session s = session();
  const Generation g = generate(s, some_tokens(5), {.max_tokens = 7, .ignore_end = true});
  EXPECT_EQ(g.finish_reason, FinishReason::kLength);
  EXPECT_EQ(to_string(g.finish_reason), "length");
  EXPECT_THAT(g.tokens, SizeIs(7));
  EXPECT_EQ(g.timings.prefill_tokens, 5u);
  EXPECT_EQ(g.timings.decode_tokens, 6u);
  EXPECT_GE(g.timings.prefill_ms, 0);
  EXPECT_GE(g.timings.first_token_ms, g.timings.prefill_ms);
  std::vector<Token> history = some_tokens(5);
  history.insert(history.end(), g.tokens.begin(), g.tokens.end());
  EXPECT_THAT(s.history(), ElementsAreArray(history));

  const Generation none = generate(s, some_tokens(1), {.max_tokens = 0});
  EXPECT_EQ(none.finish_reason, FinishReason::kLength);
  EXPECT_THAT(none.tokens, IsEmpty());
  EXPECT_EQ(none.text, "");
}

TEST_F(SessionTest, GreedyTokensAreTheLargestLogits) {
  Session s = session();
  const Generation g = generate(s, some_tokens(5), {.max_tokens = 12, .ignore_end = true});
  Session check = session();
  std::vector<float> logits = copy(check.prefill(some_tokens(5)));
  for (const Token token : g.tokens) {
    EXPECT_EQ(token, std::max_element(logits.begin(), logits.end()) - logits.begin());
    logits = copy(check.prefill({{token}}));
  }
}

TEST_F(SessionTest, EndTokenStopsUnlessIgnored) {
  Session s = session();
  const Generation g = generate(s, some_tokens(5), always(TinyModel::kEnd, 9));
  EXPECT_EQ(g.finish_reason, FinishReason::kStop);
  EXPECT_EQ(to_string(g.finish_reason), "stop");
  EXPECT_EQ(g.tokens, std::vector<Token>{TinyModel::kEnd});
  EXPECT_EQ(g.text, "");

  GenerateOptions options = always(TinyModel::kEnd, 9);
  options.ignore_end = true;
  const Generation on = generate(s, some_tokens(5), options);
  EXPECT_EQ(on.finish_reason, FinishReason::kLength);
  EXPECT_THAT(on.tokens, SizeIs(9));
  EXPECT_EQ(on.text, "");  // a control token has no text
}

TEST_F(SessionTest, TextAndStopStrings) {
  const Token the = 95;
  Session s = session();
  EXPECT_EQ(generate(s, some_tokens(5), always(the, 4)).text, "thethethethe");
  GenerateOptions options = always(the, 9);
  options.stop_strings = {"het", "zzz"};
  const Generation g = generate(s, some_tokens(5), options);
  EXPECT_EQ(g.finish_reason, FinishReason::kStop);
  EXPECT_EQ(g.text, "t");
  EXPECT_THAT(g.tokens, SizeIs(2));
  // A stop string that never completes is part of the text after all.
  options = always(the, 3);
  options.stop_strings = {"thethetheX"};
  EXPECT_EQ(generate(s, some_tokens(5), options).text, "thethethe");
}

TEST_F(SessionTest, StopRequestBeforehandGeneratesNothing) {
  Session s = session();
  CountingSink sink;
  sink.stop.request_stop();
  const auto g = s.generate(some_tokens(5), {}, sink.stop.get_token(), sink);
  ASSERT_TRUE(g) << g.error().message;
  EXPECT_EQ(g->finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(to_string(g->finish_reason), "cancelled");
  EXPECT_THAT(g->tokens, IsEmpty());
  EXPECT_THAT(s.history(), IsEmpty());
  const auto logits = s.prefill(some_tokens(5), sink.stop.get_token());
  ASSERT_FALSE(logits);
  EXPECT_EQ(logits.error().code, ErrorCode::kCancelled);
}

TEST_F(SessionTest, StopRequestEndsGenerationAtOnceAndTheConversationGoesOn) {
  Session s = session();
  CountingSink sink;
  sink.stop_at_call = 3;
  const auto g = s.generate(some_tokens(5), {.max_tokens = 50, .ignore_end = true}, sink.stop.get_token(), sink);
  ASSERT_TRUE(g) << g.error().message;
  EXPECT_EQ(g->finish_reason, FinishReason::kCancelled);
  EXPECT_THAT(g->tokens, SizeIs(3));
  EXPECT_EQ(s.history().size(), 5u + 3);

  // The cache agrees with the history: going on equals starting over with the same tokens.
  const std::vector<Token> history(s.history().begin(), s.history().end());
  const std::vector<float> on = copy(s.prefill({{7}}));
  Session fresh = session();
  copy(fresh.prefill(history));
  expect_near(on, copy(fresh.prefill({{7}})), kTolerance);
}

TEST_F(SessionTest, StopRequestIsSeenBetweenBatches) {
  TinyModel long_context;
  long_context.set("context_length", uint32_t{1024});
  load(long_context);
  Session s = session();
  constexpr size_t kTokens = 500;  // more than a batch
  std::stop_source stop;
  size_t visited = 0;
  const Status status = s.prefill_all(
      some_tokens(kTokens),
      [&](size_t, std::span<const float>) {
        ++visited;
        stop.request_stop();
      },
      stop.get_token());
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kCancelled);
  EXPECT_LT(visited, kTokens);
  EXPECT_THAT(s.history(), SizeIs(visited));
}

TEST_F(SessionTest, PrefillAllVisitsEveryTokenInOrderAcrossBatches) {
  const std::vector<Token> tokens = some_tokens(300);
  std::vector<std::vector<float>> rows;
  Session s = session();
  const Status status = s.prefill_all(tokens, [&](size_t i, std::span<const float> logits) {
    EXPECT_EQ(i, rows.size());
    rows.emplace_back(logits.begin(), logits.end());
  });
  ASSERT_TRUE(status) << status.error().message;
  ASSERT_THAT(rows, SizeIs(300));
  for (const size_t n : {1u, 31u, 32u, 33u, 127u, 128u, 129u, 256u, 257u, 300u}) {
    s.reset();
    SCOPED_TRACE(n);
    expect_near(copy(s.prefill(std::span(tokens).first(n))), rows[n - 1], kTolerance);
  }
}

TEST_F(SessionTest, ResetForgetsEverything) {
  Session s = session();
  const std::vector<float> first = copy(s.prefill(some_tokens(30)));
  copy(s.prefill(some_tokens(30, 2)));
  s.reset();
  EXPECT_THAT(s.history(), IsEmpty());
  EXPECT_EQ(copy(s.prefill(some_tokens(30))), first);
}

TEST_F(SessionTest, TruncateForgetsAllButTheFirst) {
  Session s = session();
  const std::vector<Token> tokens = some_tokens(40), others = some_tokens(10, 2);
  copy(s.prefill(std::span(tokens).first(30)));
  const std::vector<float> expected = copy(s.prefill(std::span(tokens).last(10)));
  s.truncate(30);
  copy(s.prefill(others));
  s.truncate(41);  // there are no more than 40
  EXPECT_THAT(s.history(), SizeIs(40));
  s.truncate(30);
  EXPECT_THAT(s.history(), ElementsAreArray(std::span(tokens).first(30)));
  EXPECT_EQ(copy(s.prefill(std::span(tokens).last(10))), expected);
}

TEST_F(SessionTest, TruncateForgetsAllWhereAWindowHasMovedOn) {
  TinyModel tiny("gemma3");
  tiny.set("context_length", 4000u);
  load(tiny);
  Session s = session();
  const std::vector<Token> tokens = some_tokens(2000);
  const std::vector<float> expected = copy(s.prefill(std::span(tokens).first(1500)));
  copy(s.prefill(std::span(tokens).last(500)));
  s.truncate(1999);
  EXPECT_THAT(s.history(), SizeIs(1999));
  s.truncate(1000);
  EXPECT_THAT(s.history(), IsEmpty());
  EXPECT_EQ(copy(s.prefill(std::span(tokens).first(1500))), expected);
}

TEST_F(SessionTest, HiddenStateIsTheMeanOfWhatPrefillComputes) {
  TinyModel tiny;
  tiny.tensors.erase("output.weight");
  load(tiny);
  Session s = session();
  // From two means the hidden state of the last token, and from it the logits.
  const std::vector<Token> tokens = some_tokens(200);
  for (const size_t n : {1u, 2u, 40u, 128u, 129u, 200u}) {
    SCOPED_TRACE(n);
    const auto mean = s.hidden_state(std::span(tokens).first(n), 2);
    ASSERT_TRUE(mean) << mean.error().message;
    std::vector<double> last(mean->begin(), mean->end());
    if (n > 1) {
      const auto before = s.hidden_state(std::span(tokens).first(n - 1), 2);
      ASSERT_TRUE(before) << before.error().message;
      for (size_t i = 0; i < last.size(); ++i) {
        last[i] = last[i] * static_cast<double>(n) - static_cast<double>((*before)[i]) * static_cast<double>(n - 1);
      }
    }
    double squares = 0;
    for (const double x : last) squares += x * x;
    const double scale = 1 / std::sqrt(squares / TinyModel::kModel + 1e-5);
    std::vector<float> expected(TinyModel::kVocab);
    for (size_t token = 0; token < expected.size(); ++token) {
      double sum = 0;
      for (size_t i = 0; i < last.size(); ++i) {
        sum += last[i] * scale * static_cast<double>(tiny.at("output_norm.weight", i)) *
               static_cast<double>(tiny.at("token_embd.weight", token * TinyModel::kModel + i));
      }
      expected[token] = static_cast<float>(sum);
    }
    s.reset();
    // A mean is rounded to float, and the difference of two sums of n terms has n times that error.
    expect_near(copy(s.prefill(std::span(tokens).first(n))), expected, kTolerance + 1e-5f * static_cast<float>(n));
  }
}

TEST_F(SessionTest, HiddenStateOfFewerLayersIsAnother) {
  Session s = session();
  const auto one = s.hidden_state(some_tokens(9), 1), two = s.hidden_state(some_tokens(9), 2);
  ASSERT_TRUE(one && two);
  EXPECT_THAT(*one, SizeIs(32));
  EXPECT_NE(*one, *two);
  EXPECT_EQ(*one, *s.hidden_state(some_tokens(9), 1));  // also after the probe has grown
}

TEST_F(SessionTest, HiddenStateAndConversationDoNotTouchEachOther) {
  Session s = session();
  const auto before = s.hidden_state(some_tokens(20, 3), 2);
  ASSERT_TRUE(before) << before.error().message;
  copy(s.prefill(some_tokens(30)));
  const auto amid = s.hidden_state(some_tokens(20, 3), 2);
  ASSERT_TRUE(amid) << amid.error().message;
  EXPECT_EQ(*amid, *before);
  EXPECT_THAT(s.history(), SizeIs(30));
  const std::vector<float> logits = copy(s.prefill(some_tokens(10, 2)));

  Session undisturbed = session();
  copy(undisturbed.prefill(some_tokens(30)));
  EXPECT_EQ(logits, copy(undisturbed.prefill(some_tokens(10, 2))));
}

TEST_F(SessionTest, HiddenStateTakesAsManyTokensAsTheContext) {
  Session s = session({.context_length = 300});
  copy(s.prefill(some_tokens(290)));
  EXPECT_TRUE(s.hidden_state(some_tokens(300), 2));
}

TEST_F(SessionTest, ThreadsDoNotChangeASingleBit) {
  for (const char* architecture : {"llama", "gemma3"}) {
    load(TinyModel(architecture));
    for (const Precision precision : {Precision::kExact, Precision::kFast}) {
      std::vector<std::vector<float>> logits;
      std::vector<std::vector<Token>> generated;
      std::vector<std::vector<float>> hidden;
      for (const unsigned n : {1u, 2u, 3u}) {
        ThreadPool threads(n);
        Session s = session(threads, {.precision = precision});
        logits.push_back(copy(s.prefill(some_tokens(150))));
        GenerateOptions options{.max_tokens = 20, .ignore_end = true};
        options.sampler.temperature = 1;
        options.sampler.seed = 5;
        generated.push_back(generate(s, some_tokens(3, 2), options).tokens);
        hidden.push_back(*s.hidden_state(some_tokens(40), 1));
      }
      for (size_t i = 1; i < logits.size(); ++i) {
        EXPECT_EQ(logits[i], logits[0]);
        EXPECT_EQ(generated[i], generated[0]);
        EXPECT_EQ(hidden[i], hidden[0]);
      }
    }
  }
}

TEST_F(SessionTest, SessionsOfOneModelAreIndependent) {
  Session a = session(), b = session();
  Session alone = session();
  copy(a.prefill(some_tokens(20)));
  copy(b.prefill(some_tokens(33, 2)));
  const std::vector<float> interleaved = copy(a.prefill(some_tokens(5, 3)));
  copy(alone.prefill(some_tokens(20)));
  EXPECT_EQ(interleaved, copy(alone.prefill(some_tokens(5, 3))));
}

TEST_F(SessionTest, MovedSessionGoesOn) {
  Session first = session();
  copy(first.prefill(some_tokens(20)));
  Session second = std::move(first);
  Session third = session();
  copy(third.prefill(some_tokens(4, 9)));
  third = std::move(second);
  EXPECT_THAT(third.history(), SizeIs(20));
  Session alone = session();
  copy(alone.prefill(some_tokens(20)));
  EXPECT_EQ(copy(third.prefill({{7}})), copy(alone.prefill({{7}})));
}

/// A model in which one token, and no other, leads to NaN.
class NanTest : public SessionTest {
 protected:
  static constexpr Token kPoison = 50;

  void SetUp() override {
    TinyModel tiny;
    tiny.at("token_embd.weight", kPoison * TinyModel::kModel + 3) = std::numeric_limits<float>::quiet_NaN();
    load(tiny);
    for (Token& token : clean) token = token == kPoison ? 51 : token;
  }

  std::vector<float> clean_answer() {
    Session s = session();
    return copy(s.prefill(clean));
  }

  std::vector<Token> clean = some_tokens(20);
};

TEST_F(NanTest, StaysInItsConversation) {
  const std::vector<float> expected = clean_answer();
  for (const float logit : expected) ASSERT_TRUE(std::isfinite(logit));
  Session s = session();
  EXPECT_TRUE(std::isnan(copy(s.prefill({{kPoison}}))[0]));
  EXPECT_TRUE(std::isnan(copy(s.prefill(clean))[0]));  // the past is part of it
  s.reset();
  EXPECT_EQ(copy(s.prefill(clean)), expected);
  ASSERT_TRUE(s.hidden_state({{kPoison}}, 2));
  s.reset();
  EXPECT_EQ(copy(s.prefill(clean)), expected);
  EXPECT_EQ(clean_answer(), expected);
}

TEST_F(NanTest, DoesNotReachEarlierTokensOfTheSameBatch) {
  std::vector<Token> tokens = clean;
  tokens.push_back(kPoison);
  Session s = session();
  const Status status = s.prefill_all(tokens, [&](size_t i, std::span<const float> logits) {
    EXPECT_EQ(std::isnan(logits[0]), i == clean.size()) << i;
  });
  EXPECT_TRUE(status) << status.error().message;
}

TEST_F(NanTest, GenerationEnds) {
  for (const Precision precision : {Precision::kExact, Precision::kFast}) {
    Session s = session({.precision = precision});
    const Generation g = generate(s, {kPoison}, {.max_tokens = 5, .ignore_end = true});
    EXPECT_EQ(g.finish_reason, FinishReason::kLength);
    EXPECT_THAT(g.tokens, ::testing::Each(0));
  }
}

}  // namespace
}  // namespace sain::engine
