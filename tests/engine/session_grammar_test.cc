// Generation that follows a grammar.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <memory>

#include "engine/session.h"
#include "formats/grammar/automaton.h"
#include "formats/json_schema.h"
#include "tests/formats/accepts.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace sain::engine {
namespace {

using formats::Grammar;
using ::testing::HasSubstr;
using testing::some_tokens;
using testing::TinyModel;

struct NoSink : TokenSink {
  void on_text(std::string_view) override {}
};

class SessionGrammarTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto loaded = Model::load({.path = TinyModel().write(folder / "tiny.gguf")});
    ASSERT_TRUE(loaded) << loaded.error().message;
    model = std::make_unique<Model>(*std::move(loaded));
    trie = std::make_shared<TokenTrie>(model->tokenizer());
  }

  std::shared_ptr<const CompiledGrammar> compiled(const Grammar& grammar) {
    return std::make_shared<CompiledGrammar>(grammar, trie);
  }

  Result<Generation> try_generate(const GenerateOptions& options) {
    NoSink sink;
    auto session = Session::create(*model, pool, {});
    return session ? session->generate(some_tokens(9), options, {}, sink) : session.error();
  }

  Generation generate(const GenerateOptions& options) {
    auto generation = try_generate(options);
    EXPECT_TRUE(generation) << generation.error().message;
    return generation ? *std::move(generation) : Generation();
  }

  testing::TemporaryFolder folder;
  std::unique_ptr<Model> model;
  std::shared_ptr<const TokenTrie> trie;
  ThreadPool pool{2};
};

TEST_F(SessionGrammarTest, EveryTextIsOneOfTheGrammar) {
  const Grammar grammar = *formats::json_schema_grammar(nlohmann::ordered_json::parse(R"({
    "properties": {"name": {"type": "string", "maxLength": 4}, "n": {"type": "integer", "minimum": 3, "maximum": 40},
                   "list": {"items": {"enum": [1, true]}, "maxItems": 2}}, "required": ["name", "n", "list"]})"));
  const auto shared = compiled(grammar);
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Generation a =
        generate({.max_tokens = 200, .sampler = {.temperature = 1.5f, .seed = seed}, .grammar = shared});
    EXPECT_TRUE(formats::accepts(grammar, a.text)) << a.text;
    EXPECT_EQ(a.finish_reason, FinishReason::kStop);
  }
}

TEST_F(SessionGrammarTest, EndsWhereNothingCanFollow) {
  const Generation a = generate({.grammar = compiled(*Grammar::parse(R"(root ::= "ab" "c")"))});
  EXPECT_EQ(a.text, "abc");
  EXPECT_EQ(a.tokens.size(), 3u);  // without a token for the end
  EXPECT_EQ(a.finish_reason, FinishReason::kStop);
  const Generation empty = generate({.grammar = compiled(*Grammar::parse("root ::= \"\""))});
  EXPECT_EQ(empty.text, "");
  EXPECT_EQ(empty.finish_reason, FinishReason::kStop);
}

TEST_F(SessionGrammarTest, EndsEarlyWhereItMay) {
  GenerateOptions options{.grammar = compiled(*Grammar::parse(R"(root ::= "ab" "c"*)"))};
  options.sampler.logit_bias = {{TinyModel::kEnd, 1000.0f}};
  const Generation a = generate(options);
  EXPECT_EQ(a.text, "ab");
  EXPECT_EQ(a.tokens.back(), TinyModel::kEnd);
}

TEST_F(SessionGrammarTest, NoOptionOfTheSamplerBreaksIt) {
  GenerateOptions options{.max_tokens = 30, .grammar = compiled(*Grammar::parse("root ::= [0-9]+"))};
  const Token letter = *model->tokenizer().find("a");
  for (const float temperature : {0.0f, 1.0f}) {
    options.sampler = {.logit_bias = {{letter, 1e30f}, {TinyModel::kEnd, 1e30f}},
                       .repetition_penalty = 1.3f,
                       .presence_penalty = -2,
                       .dry_multiplier = 1,
                       .top_k = 5,
                       .temperature = temperature};
    const Generation a = generate(options);
    EXPECT_EQ(a.text.find_first_not_of("0123456789"), std::string::npos) << a.text;
    EXPECT_EQ(a.tokens.size(), 2u);  // a digit must come first
  }
}

TEST_F(SessionGrammarTest, DraftsChangeNothing) {
  GenerateOptions options{.max_tokens = 100, .grammar = compiled(*Grammar::parse(R"(root ::= ("ab" | "the " [xy])*)"))};
  options.sampler.logit_bias = {{TinyModel::kEnd, -std::numeric_limits<float>::infinity()}};
  for (const float temperature : {0.0f, 0.7f}) {
    options.sampler.temperature = temperature;
    options.speculation = Speculation::kPromptLookup;
    const Generation with = generate(options);
    options.speculation = Speculation::kNone;
    const Generation without = generate(options);
    EXPECT_EQ(with.tokens, without.tokens);
    EXPECT_EQ(with.tokens.size(), 100u);
    EXPECT_LT(with.timings.decode_passes, without.timings.decode_passes);
  }
}

// They say what the model finds likely, not what it may say.
TEST_F(SessionGrammarTest, LogProbabilitiesAreThoseWithoutTheGrammar) {
  const Generation a = generate({.max_tokens = 1, .top_logprobs = 5});
  const Generation b =
      generate({.max_tokens = 1, .grammar = compiled(*Grammar::parse("root ::= [0-9]+")), .top_logprobs = 5});
  ASSERT_EQ(a.logprobs.size(), 1u);
  ASSERT_EQ(b.logprobs.size(), 1u);
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(a.logprobs[0].top[i].token, b.logprobs[0].top[i].token);
}

TEST_F(SessionGrammarTest, WhatCannotBeIsAnErrorAndTheSessionGoesOn) {
  auto session = Session::create(*model, pool, {});
  ASSERT_TRUE(session);
  NoSink sink;
  const auto expect_error = [&](const GenerateOptions& options, const char* message) {
    const auto a = session->generate(some_tokens(3), options, {}, sink);
    ASSERT_FALSE(a);
    EXPECT_THAT(a.error().message, HasSubstr(message));
  };
  expect_error({.grammar = compiled(*Grammar::parse(R"(root ::= "\x01")"))}, "no token that may follow");
  expect_error({.ignore_end = true, .grammar = compiled(*Grammar::parse("root ::= .*"))}, "ignore_end");
  GenerateOptions barred{.grammar = compiled(*Grammar::parse(R"(root ::= "ab")"))};
  barred.sampler.logit_bias = {{*model->tokenizer().find("b"), -std::numeric_limits<float>::infinity()}};
  expect_error(barred, "cannot follow");
  EXPECT_TRUE(session->generate(some_tokens(3), {.max_tokens = 3}, {}, sink));
}

}  // namespace
}  // namespace sain::engine
