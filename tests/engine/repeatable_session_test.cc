// Repeatable sessions: the same bits, whatever was known.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "engine/session.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace sain::engine {
namespace {

using ::testing::HasSubstr;
using testing::some_tokens;
using testing::TinyModel;

struct NoSink : TokenSink {
  void on_text(std::string_view) override {}
};

class RepeatableSessionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto loaded = Model::load({.path = TinyModel().write(folder_ / "tiny.gguf")});
    ASSERT_TRUE(loaded) << loaded.error().message;
    model_ = std::make_unique<Model>(*std::move(loaded));
  }

  Session session(std::shared_ptr<PrefixStore> prefixes = nullptr) {
    return *Session::create(*model_, pool_, {.is_repeatable = true, .prefixes = std::move(prefixes)});
  }

  /// Of the last token of `prompt`, which is appended as far as it is not known.
  std::vector<float> logits(Session& session, const std::vector<Token>& prompt, uint64_t n_known) {
    EXPECT_EQ(session.resume(prompt), n_known);
    const auto logits = session.prefill(std::span(prompt).subspan(session.n_tokens()));
    EXPECT_TRUE(logits) << logits.error().message;
    return {logits->begin(), logits->end()};
  }

  std::vector<Token> generate(Session& session) {
    NoSink sink;
    const Token first = 1;
    const auto done = session.generate({&first, 1}, {.max_tokens = 20, .ignore_end = true}, {}, sink);
    EXPECT_TRUE(done) << done.error().message;
    return done->tokens;
  }

  sain::testing::TemporaryFolder folder_;
  ThreadPool pool_{1};
  std::unique_ptr<Model> model_;
};

TEST_F(RepeatableSessionTest, WhatOthersHaveReadChangesNothing) {
  const auto store = std::make_shared<PrefixStore>(PrefixStoreOptions{});
  const std::vector<Token> prompt = some_tokens(180);
  Session first = session(store);
  const std::vector<float> expected = logits(first, prompt, 0);
  first.keep(Keep::kMemory);
  std::vector<Token> longer = prompt;
  longer.push_back(1);
  const std::vector<Token> answer = generate(first);
  first.keep(Keep::kMemory);  // nothing: it holds what was generated
  longer.insert(longer.end(), answer.begin(), answer.end());
  longer.push_back(2);

  Session fresh = session(), again = session(store), next = session(store);
  EXPECT_EQ(logits(again, prompt, 128), expected);
  const std::vector<float> of_longer = logits(fresh, longer, 0);
  EXPECT_EQ(logits(next, longer, 128), of_longer);
  EXPECT_EQ(logits(first, longer, 128), of_longer) << "its own answer is read again";
}

TEST_F(RepeatableSessionTest, OthersHaveAStoreOfTheirOwn) {
  const auto store = std::make_shared<PrefixStore>(PrefixStoreOptions{});
  const std::vector<Token> prompt = some_tokens(180);
  Session plain = *Session::create(*model_, pool_, {.prefixes = store});
  ASSERT_TRUE(plain.prefill(prompt));
  plain.keep(Keep::kMemory);
  EXPECT_EQ(session(store).resume(prompt), 0u);
  EXPECT_EQ(Session::create(*model_, pool_, {.prefixes = store})->resume(prompt), 179u);
}

TEST_F(RepeatableSessionTest, AStreamHasNone) {
  const auto refused = Session::create(*model_, pool_, {.policy = ContextPolicy::kStream, .is_repeatable = true});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("repeatable"));
}

}  // namespace
}  // namespace sain::engine
