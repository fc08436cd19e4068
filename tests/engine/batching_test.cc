// Sessions of several threads whose tokens go through the model together.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "engine/cpu/batcher.h"
#include "engine/session.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_adapter.h"
#include "tests/support/tiny_model.h"
#include "tests/support/wide_model.h"

namespace sain::engine {
namespace {

using testing::TinyModel;

/// Counts what it gets, and asks for a stop at a certain call.
struct Sink : TokenSink {
  explicit Sink(size_t stop_at_call = SIZE_MAX) : stop_at(stop_at_call) {}
  void on_text(std::string_view) override {
    if (++n_calls == stop_at) stop.request_stop();
  }
  size_t n_calls = 0, stop_at;
  std::stop_source stop;
};

/// A conversation that a thread holds.
struct Talk {
  size_t prompt = 5;  // tokens
  uint64_t seed = 1;
  SessionOptions session = {};
  TurnPriority priority = TurnPriority::kInteractive;
  size_t stop_at = SIZE_MAX;
  Speculation speculation = Speculation::kPromptLookup;
};

class Batching : public ::testing::Test {
 protected:
  void SetUp() override {
    const TinyModel tiny = testing::wide_model();
    auto loaded = Model::load({.path = tiny.write(folder_ / "tiny.gguf")});
    ASSERT_TRUE(loaded) << loaded.error().message;
    model_.emplace(*std::move(loaded));
    testing::TinyAdapter adapter;
    adapter.add_layers(tiny, 5);
    auto adapted = Adapter::load(adapter.write(folder_ / "adapter.gguf"), *model_);
    ASSERT_TRUE(adapted) << adapted.error().message;
    adapter_ = *std::move(adapted);
  }

  std::vector<Token> hold(const Talk& talk) {
    auto session = Session::create(*model_, pool_, talk.session);
    EXPECT_TRUE(session);
    Sink sink(talk.stop_at);
    std::vector<Token> prompt(talk.prompt);
    for (size_t i = 0; i < prompt.size(); ++i) prompt[i] = static_cast<Token>(2 + (i * 7 + talk.seed) % 90);
    const auto answer = session->generate(prompt,
                                          {.max_tokens = 30,
                                           .ignore_end = true,
                                           .sampler = {.temperature = 1, .seed = talk.seed},
                                           .speculation = talk.speculation,
                                           .priority = talk.priority},
                                          sink.stop.get_token(), sink);
    EXPECT_TRUE(answer) << answer.error().message;
    return answer ? answer->tokens : std::vector<Token>();
  }

  /// Each talk twice: alone, and while all others go on.
  void expect_same_as_alone(const std::vector<Talk>& talks) {
    std::vector<std::vector<Token>> alone, together(talks.size());
    for (const Talk& talk : talks) alone.push_back(hold(talk));
    std::vector<std::jthread> threads;
    for (size_t i = 0; i < talks.size(); ++i) {
      threads.emplace_back([&, i] {
        for (int round = 0; round < 3; ++round) {  // so that sessions come and go in between
          together[i] = hold(talks[i]);
          EXPECT_EQ(together[i], alone[i]) << "talk " << i;
        }
      });
    }
  }

  testing::TemporaryFolder folder_;
  std::optional<Model> model_;
  std::shared_ptr<const Adapter> adapter_;
  ThreadPool pool_{2};
};

// R36: an answer is what it would be if nobody else was served, prompts short and long beside those who decode.
TEST_F(Batching, AnswersAreThoseThatEachGetsAlone) {
  std::vector<Talk> talks;
  for (uint64_t i = 0; i < 8; ++i) talks.push_back({.prompt = 3 + 35 * (i % 4), .seed = i});
  expect_same_as_alone(talks);
}

TEST_F(Batching, ManyMoreThanFitIntoAPass) {
  std::vector<Talk> talks;
  for (uint64_t i = 0; i < 80; ++i)
    talks.push_back({.prompt = 1 + i % 5, .seed = i, .speculation = Speculation::kNone});
  expect_same_as_alone(talks);
}

// R36
TEST_F(Batching, WhoStopsDoesNotDisturbOthers) {
  std::vector<Talk> talks;
  for (uint64_t i = 0; i < 8; ++i) talks.push_back({.seed = i, .stop_at = i % 2 == 0 ? 3 + i : SIZE_MAX});
  expect_same_as_alone(talks);
}

TEST_F(Batching, SessionsOfAllKindsAtOnce) {
  const auto stream = SessionOptions{.context_length = 20, .policy = ContextPolicy::kStream};
  expect_same_as_alone({
      {.seed = 1},
      {.seed = 2, .session = {.adapter = adapter_}},
      {.seed = 3, .session = {.adapter = adapter_}},
      {.seed = 4, .session = {.precision = Precision::kExact}},
      {.seed = 5, .session = {.kv_type = KvType::kQ8_0}},
      {.seed = 6, .session = {.kv_type = KvType::kQ4_0}},
      {.seed = 7, .session = stream},
      {.seed = 8, .priority = TurnPriority::kBackground},
      {.prompt = 100, .seed = 9, .priority = TurnPriority::kBackground},
      {.prompt = 100, .seed = 10},
  });
}

using cpu::Batcher;
using cpu::KeyCenters;

/// A batcher of `model`, and seats of conversations that are empty.
struct Place {
  Place(const Model& of, const std::shared_ptr<Batcher>& in, size_t n_tokens)
      : model(of), batcher(in), tokens(n_tokens, 7), centers(of), hidden(n_tokens * of.config().d_model) {
    auto made = KvCache::create(of.config(), {.n_layers = of.config().n_layers,
                                              .max_length = of.config().context_length,
                                              .max_batch = static_cast<uint32_t>(in->max_batch())});
    EXPECT_TRUE(made);
    cache.emplace(*std::move(made));
    seat.segment = {tokens, &*cache, &centers};
    seat.hidden = {hidden.data(), n_tokens, of.config().d_model};
  }
  bool append(const std::stop_token& stop = {}) { return batcher->append(seat, stop); }

  const Model& model;
  std::shared_ptr<Batcher> batcher;
  std::vector<Token> tokens;
  std::optional<KvCache> cache;
  KeyCenters centers;
  std::vector<float> hidden;
  Batcher::Seat seat;
};

TEST_F(Batching, WhatWaitsGoesTogether) {
  const auto batcher = model_->batchers().get(*model_, pool_, {});
  ASSERT_TRUE(batcher);
  std::vector<std::unique_ptr<Place>> places;
  for (size_t i = 0; i < 4; ++i) places.push_back(std::make_unique<Place>(*model_, *batcher, i == 0 ? 1 : i));
  std::vector<std::jthread> threads;
  {
    const ThreadPool::Turn turn(pool_);
    threads.emplace_back([&] { places[0]->append(); });
    while (pool_.n_waiting() == 0) std::this_thread::yield();  // it leads a pass of its own
    for (size_t i = 1; i < 4; ++i) threads.emplace_back([&, i] { places[i]->append(); });
    while ((*batcher)->n_waiting() < 3) std::this_thread::yield();
  }
  threads.clear();
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(places[i]->cache->length(), places[i]->tokens.size());
    EXPECT_EQ(places[i]->seat.had_company, i != 0);
  }
}

TEST_F(Batching, ALongPromptThatWaitsForAnotherCanBeStopped) {
  const auto batcher = model_->batchers().get(*model_, pool_, {});
  ASSERT_TRUE(batcher);
  Place place(*model_, *batcher, (*batcher)->alike_rows() + 1);
  std::stop_source stop;
  (*batcher)->alone({}, [&](cpu::Forward&, ThreadPool::Turn&) {
    std::jthread other([&] { EXPECT_FALSE(place.append(stop.get_token())); });
    stop.request_stop();
    return true;  // only now, when it has ended, may others follow
  });
  EXPECT_EQ(place.cache->length(), 0u);
  EXPECT_TRUE(place.append());
  EXPECT_EQ(place.cache->length(), place.tokens.size());
}

// One batcher for who computes alike, and none when nobody does.
TEST_F(Batching, WhoSharesABatcher) {
  cpu::Batchers& batchers = model_->batchers();
  ThreadPool other(1);
  auto first = batchers.get(*model_, pool_, {}), again = batchers.get(*model_, pool_, {}),
       elsewhere = batchers.get(*model_, other, {}), exact = batchers.get(*model_, pool_, {cpu::Arithmetic::kF32}),
       adapted = batchers.get(*model_, pool_, {.adapter = adapter_.get()});
  ASSERT_TRUE(first && again && elsewhere && exact && adapted);
  EXPECT_EQ(*first, *again);
  EXPECT_NE(*first, *elsewhere);
  EXPECT_NE(*first, *exact);
  EXPECT_NE(*first, *adapted);
  const std::weak_ptr<Batcher> before = *first;
  first->reset();
  again->reset();
  EXPECT_TRUE(before.expired());
}

}  // namespace
}  // namespace sain::engine
