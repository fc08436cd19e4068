// R2: models come and go inside the budget; leases hold them; whoever waits gets its turn.
#include "router/residency.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>
#include <thread>

#include "tests/router/fake_models.h"

namespace sain::router {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr SpecialistId kA{0}, kB{1}, kC{2};
constexpr auto kWhileLeased = KeepLoaded::kWhileLeased;

void wait_for(const std::function<bool()>& done) {
  while (!done()) std::this_thread::yield();
}

TEST(ResidencyTest, ALeaseHoldsAndItsEndUnloads) {
  FakeModels models;
  Residency residency(models.source(), {"/m/a", "/m/b"}, {.budget_bytes = 1000, .keep_loaded = kWhileLeased});
  {
    const auto lease = residency.acquire(kB);
    ASSERT_TRUE(lease) << lease.error().message;
    EXPECT_TRUE(residency.is_loaded(kB));
    EXPECT_EQ(residency.used_bytes(), 110u);
  }
  EXPECT_FALSE(residency.is_loaded(kB));
  EXPECT_EQ(residency.used_bytes(), 0u);
  EXPECT_EQ(models.n_alive, 0);
}

TEST(ResidencyTest, TwoLeasesShareOneModel) {
  FakeModels models;
  Residency residency(models.source(), {"/m/a", "/m/b"}, {.budget_bytes = 1000, .keep_loaded = kWhileLeased});
  auto first = residency.acquire(kA);
  auto second = residency.acquire(kA);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(&first->model(), &second->model());
  EXPECT_EQ(models.n_loads, 1);
  EXPECT_EQ(residency.used_bytes(), 120u);
  first->release();
  first->release();  // once is enough, twice does no harm
  EXPECT_TRUE(residency.is_loaded(kA));
  EXPECT_EQ(residency.used_bytes(), 110u);
}

TEST(ResidencyTest, TheSameFileIsLoadedOnce) {
  FakeModels models;
  Residency residency(models.source(), {"/m/a", "/m/../m/a", "/m/./a"}, {.budget_bytes = 1000});
  const auto a = residency.acquire(kA), b = residency.acquire(kB), c = residency.acquire(kC);
  ASSERT_TRUE(a && b && c);
  EXPECT_EQ(&a->model(), &c->model());
  EXPECT_EQ(models.n_loads, 1);
  EXPECT_EQ(residency.used_bytes(), 130u);
}

TEST(ResidencyTest, WhatCanNeverFitBesideThePinnedIsRefusedAtOnce) {
  FakeModels models;
  Residency residency(models.source(), {"/m/a", "/m/b"}, {.budget_bytes = 200});
  auto a = residency.acquire(kA, {.is_pinned = true});
  ASSERT_TRUE(a);
  const auto b = residency.acquire(kB);
  ASSERT_FALSE(b);
  EXPECT_EQ(b.error().code, ErrorCode::kResourceExhausted);
  EXPECT_THAT(b.error().message, HasSubstr("/m/b"));
  EXPECT_EQ(models.n_loads, 1);
  EXPECT_TRUE(residency.is_loaded(kA)) << "the pinned one survives";
  a->release();
  EXPECT_TRUE(residency.acquire(kB)) << "a refused load must not count against the budget";
}

TEST(ResidencyTest, WithoutAForecastIdleModelsMakeRoomOldestFirst) {
  FakeModels models;
  Residency residency(models.source(), {"/m/a", "/m/b", "/m/c"}, {.budget_bytes = 250});
  ASSERT_TRUE(residency.acquire(kA));
  ASSERT_TRUE(residency.acquire(kB));
  ASSERT_TRUE(residency.acquire(kA));
  EXPECT_EQ(models.n_loads, 2) << "idle models stay";
  models.cost_of["/m/a"] = models.cost_of["/m/b"] = models.cost_of["/m/c"] = models.cost;
  ASSERT_TRUE(residency.acquire(kC));
  EXPECT_EQ(residency.used_bytes(), 200u);
  EXPECT_EQ(residency.counters().n_unloads, 1u);
}

TEST(ResidencyTest, WhatIsLikelyToBeNeededStays) {
  FakeModels models;
  Residency residency(models.source(), {"/m/a", "/m/b", "/m/c"}, {.budget_bytes = 250});
  models.load_time = std::chrono::milliseconds(2);  // so that the loads cost alike
  ASSERT_TRUE(residency.acquire(kA));
  ASSERT_TRUE(residency.acquire(kB));
  residency.set_forecast({0.9, 0.05, 0.05});
  ASSERT_TRUE(residency.acquire(kC));
  EXPECT_TRUE(residency.is_loaded(kA));
  EXPECT_FALSE(residency.is_loaded(kB));
}

TEST(ResidencyTest, NoMoreIsEvictedThanNeeded) {
  FakeModels models;
  models.cost_of["/m/small"] = {.weights_bytes = 50};
  models.cost_of["/m/large"] = {.weights_bytes = 200};
  models.cost_of["/m/new"] = {.weights_bytes = 190};
  Residency residency(models.source(), {"/m/small", "/m/large", "/m/new"}, {.budget_bytes = 250});
  ASSERT_TRUE(residency.acquire(kA));
  ASSERT_TRUE(residency.acquire(kB));
  ASSERT_TRUE(residency.acquire(kC));
  EXPECT_TRUE(residency.is_loaded(kA)) << "the large one alone makes the room";
  EXPECT_FALSE(residency.is_loaded(kB));
}

TEST(ResidencyTest, LeasedModelsAreNeverEvictedAndWhoWaitsGetsTheRoom) {
  FakeModels models;
  Residency residency(models.source(), {"/m/a", "/m/b"}, {.budget_bytes = 200});
  auto a = residency.acquire(kA);
  ASSERT_TRUE(a);
  std::atomic<bool> has_b = false;
  std::jthread other([&] {
    const auto b = residency.acquire(kB);
    EXPECT_TRUE(b) << b.error().message;
    has_b = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_FALSE(has_b);
  EXPECT_TRUE(residency.is_loaded(kA));
  a->release();
  other.join();
  EXPECT_TRUE(has_b);
  EXPECT_FALSE(residency.is_loaded(kA));
}

TEST(ResidencyTest, WaitingForRoomEndsWithTheTimeOrAStop) {
  FakeModels models;
  Residency residency(models.source(), {"/m/a", "/m/b"}, {.budget_bytes = 200});
  const auto a = residency.acquire(kA);
  const auto late = residency.acquire(kB, {.timeout = std::chrono::milliseconds(5)});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::kResourceExhausted);
  EXPECT_THAT(late.error().message, HasSubstr("0.005 s"));
  std::stop_source stop;
  std::jthread stopper([&] { stop.request_stop(); });
  EXPECT_EQ(residency.acquire(kB, {.stop = stop.get_token()}).error().code, ErrorCode::kCancelled);
  EXPECT_EQ(residency.used_bytes(), 110u);
}

/// Several requests that arrive while a lease is held, one after the other; gives the order in which they are served.
std::string served(Residency& residency, const std::vector<std::pair<SpecialistId, Priority>>& arrivals) {
  std::string order;
  std::mutex mutex;
  std::vector<std::jthread> threads;
  auto held = residency.acquire(kA);
  EXPECT_TRUE(held);
  for (const auto& [id, priority] : arrivals) {
    const auto n_seen = [&] {
      const std::lock_guard lock(mutex);
      return residency.n_waiting() + order.size();
    };
    const size_t before = n_seen();
    threads.emplace_back([&, id = id, priority = priority] {
      const auto lease = residency.acquire(id, {.priority = priority});
      EXPECT_TRUE(lease);
      const std::lock_guard lock(mutex);
      order += static_cast<char>('A' + index(id));
    });
    wait_for([&] { return n_seen() > before; });  // it has been served, or waits
  }
  held->release();
  threads.clear();
  return order;
}

TEST(ResidencyTest, TheFewestSwapsWithBoundedWaiting) {
  FakeModels models;
  Residency residency(models.source(), {"/m/a", "/m/b", "/m/c"}, {.budget_bytes = 160, .max_overtakes = 8});
  constexpr auto kNow = Priority::kInteractive;
  const std::string order =
      served(residency, {{kB, kNow}, {kA, kNow}, {kA, kNow}, {kC, kNow}, {kA, kNow}, {kB, kNow}, {kC, kNow}});
  EXPECT_EQ(models.n_loads, 3) << order;
  EXPECT_EQ(order.substr(0, 3), "AAA");
  EXPECT_EQ(order.size(), 7u);
}

TEST(ResidencyTest, NobodyIsOvertakenForEver) {
  FakeModels models;
  Residency residency(models.source(), {"/m/a", "/m/b"}, {.budget_bytes = 160, .max_overtakes = 2});
  constexpr auto kNow = Priority::kInteractive;
  const std::string order = served(residency, {{kB, kNow}, {kA, kNow}, {kA, kNow}, {kA, kNow}, {kA, kNow}});
  EXPECT_EQ(order, "AABAA");
}

TEST(ResidencyTest, InteractiveRequestsGoFirst) {
  FakeModels models;
  Residency residency(models.source(), {"/m/a", "/m/b", "/m/c"}, {.budget_bytes = 160});
  EXPECT_EQ(served(residency, {{kB, Priority::kBackground}, {kC, Priority::kInteractive}}), "CB");
}

TEST(ResidencyTest, AFailedLoadLeavesNothingBehind) {
  FakeModels models;
  Residency residency(models.source(), {"/m/broken", "/m/missing", "/m/huge"}, {.budget_bytes = 1000});
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(residency.acquire(kA).error().code, ErrorCode::kCorrupt);
    EXPECT_EQ(residency.acquire(kB).error().code, ErrorCode::kNotFound);
    EXPECT_EQ(residency.acquire(kC).error().code, ErrorCode::kResourceExhausted);
    EXPECT_EQ(residency.used_bytes(), 0u);
  }
  EXPECT_EQ(residency.counters().n_load_failures, 9u);
}

TEST(ResidencyTest, ManyFirstRequestsMakeOneLoad) {
  FakeModels models;
  models.load_time = std::chrono::milliseconds(20);
  Residency residency(models.source(), {"/m/a", "/m/broken"}, {.budget_bytes = 1000});
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { EXPECT_TRUE(residency.acquire(kA)); });
  threads.clear();
  EXPECT_EQ(models.n_loads, 1);
}

TEST(ResidencyTest, ProgressComesInOrderOnTheCallingThread) {
  FakeModels models;
  Residency residency(models.source(), {"/m/a"}, {.budget_bytes = 1000});
  std::vector<StatusEvent> events;
  const auto caller = std::this_thread::get_id();
  const auto status = [&](const StatusEvent& event) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    events.push_back(event);
  };
  ASSERT_TRUE(residency.acquire(kA, {.status = status}));
  ASSERT_FALSE(events.empty());  // a load that is over at once has but its end to tell
  double last = -1;
  for (const StatusEvent& event : events) {
    EXPECT_GE(event.fraction, last);
    last = event.fraction;
  }
  EXPECT_EQ(events.back().kind, StatusEvent::Kind::kReady);
  events.clear();
  ASSERT_TRUE(residency.acquire(kA, {.status = status}));
  EXPECT_EQ(events.size(), 1u) << "nothing is loaded the second time";
}

TEST(ResidencyTest, AStopEndsTheWaitAndTheLoad) {
  FakeModels models;
  models.waits_for_stop = true;
  Residency residency(models.source(), {"/m/a"}, {.budget_bytes = 1000});
  std::stop_source stop;
  const auto stopped =
      residency.acquire(kA, {.status = [&stop](const StatusEvent&) { stop.request_stop(); }, .stop = stop.get_token()});
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
  wait_for([&] { return residency.used_bytes() == 0; });
  models.waits_for_stop = false;
  EXPECT_TRUE(residency.acquire(kA));
}

TEST(ResidencyTest, ALoadThatIsWorthHavingGoesOnWithoutWhoeverAsked) {
  FakeModels models;
  models.load_time = std::chrono::milliseconds(30);
  Residency residency(models.source(), {"/m/a"}, {.budget_bytes = 1000});
  residency.set_forecast({0.8});
  std::stop_source stop;
  EXPECT_FALSE(residency.acquire(
      kA, {.status = [&stop](const StatusEvent&) { stop.request_stop(); }, .stop = stop.get_token()}));
  wait_for([&] { return residency.is_loaded(kA); });
  EXPECT_EQ(residency.status()[0].state, ModelState::kResident);
}

TEST(ResidencyTest, WhereNothingIsKeptALoadIsNotEither) {
  FakeModels models;
  models.load_time = std::chrono::milliseconds(30);
  Residency residency(models.source(), {"/m/a"}, {.budget_bytes = 1000, .keep_loaded = kWhileLeased});
  residency.set_forecast({0.8});
  std::stop_source stop;
  EXPECT_FALSE(residency.acquire(
      kA, {.status = [&stop](const StatusEvent&) { stop.request_stop(); }, .stop = stop.get_token()}));
  wait_for([&] { return residency.used_bytes() == 0; });
  EXPECT_EQ(models.n_alive, 0);
}

TEST(ResidencyTest, AModelThatIsNotIntactIsLoadedAnew) {
  FakeModels models;
  bool is_intact = true;
  ModelSource source = models.source();
  source.is_intact = [&](const engine::Model&) { return is_intact; };
  Residency residency(source, {"/m/a"}, {.budget_bytes = 1000});
  EXPECT_TRUE(residency.acquire(kA));
  EXPECT_TRUE(residency.is_loaded(kA));
  {
    const auto lease = residency.acquire(kA);
    is_intact = false;  // its file is cut
  }
  EXPECT_FALSE(residency.is_loaded(kA));
  is_intact = true;
  EXPECT_TRUE(residency.acquire(kA));
  EXPECT_EQ(models.n_loads, 2);
}

TEST(ResidencyTest, APrefetchIsThereWhenItIsAskedFor) {
  FakeModels models;
  Residency residency(models.source(), {"/m/a", "/m/b"}, {.budget_bytes = 1000});
  ASSERT_TRUE(residency.prefetch(kB));
  wait_for([&] { return residency.is_loaded(kB); });
  EXPECT_FALSE(residency.prefetch(kB)) << "it is there";
  ASSERT_TRUE(residency.acquire(kB));
  EXPECT_EQ(models.n_loads, 1);
  EXPECT_EQ(residency.counters().n_prefetch_hits, 1u);
}

TEST(ResidencyTest, ARealLoadStopsAPrefetch) {
  FakeModels models;
  models.waits_for_stop_of = "/m/b";
  Residency residency(models.source(), {"/m/a", "/m/b"}, {.budget_bytes = 160});
  ASSERT_TRUE(residency.prefetch(kB));
  EXPECT_TRUE(residency.acquire(kA)) << "which would not fit beside it";
  EXPECT_EQ(residency.counters().n_prefetches_dropped, 1u);
  EXPECT_EQ(residency.used_bytes(), 100u);
}

TEST(ResidencyTest, APrefetchThatIsAskedForBeginsAgainAtFullSpeed) {
  FakeModels models;
  models.waits_for_stop_of = "/m/b";
  Residency residency(models.source(), {"/m/a", "/m/b"}, {.budget_bytes = 1000});
  ASSERT_TRUE(residency.prefetch(kB));
  wait_for([&] { return models.n_loads == 1; });
  models.waits_for_stop_of.clear();
  EXPECT_TRUE(residency.acquire(kB));
  EXPECT_EQ(models.n_loads, 2);
}

TEST(ResidencyTest, APrefetchThatGetsNoProcessorHoldsNobodyUp) {
  FakeModels models;
  std::promise<void> gets_processor;
  models.first_may_go_on = gets_processor.get_future();
  {
    Residency residency(models.source(), {"/m/a", "/m/b"}, {.budget_bytes = 160});
    ASSERT_TRUE(residency.prefetch(kB));
    wait_for([&] { return models.n_loads == 1; });
    EXPECT_TRUE(residency.acquire(kB)) << "another load, though the first has not even seen that it is to stop";
    EXPECT_EQ(models.n_loads, 2);
    EXPECT_EQ(residency.counters().n_prefetches_dropped, 1u);
    EXPECT_EQ(residency.used_bytes(), 100u);
    gets_processor.set_value();
  }
  EXPECT_EQ(models.n_alive, 0);
}

TEST(ResidencyTest, APrefetchEvictsOnlyWhatIsWorthLess) {
  FakeModels models;
  models.load_time = std::chrono::milliseconds(1);
  Residency residency(models.source(), {"/m/a", "/m/b"}, {.budget_bytes = 160});
  {
    const auto a = residency.acquire(kA);
    EXPECT_FALSE(residency.prefetch(kB)) << "a leased model stays";
  }
  residency.set_forecast({0.9, 0.1});
  EXPECT_FALSE(residency.prefetch(kB));
  EXPECT_TRUE(residency.is_loaded(kA));
  residency.set_forecast({0, 1});
  models.cost_of["/m/b"] = {.weights_bytes = 150'000'000, .kv_bytes = 10};  // that it costs 150 ms is an estimate
  EXPECT_FALSE(residency.prefetch(kB)) << "it does not fit at all";
}

TEST(ResidencyTest, AReplacedFileGoesWithItsLastLease) {
  FakeModels models;
  Residency residency(models.source(), {"/m/a", "/m/v1"}, {.budget_bytes = 1000});
  auto old = residency.acquire(kB);
  ASSERT_TRUE(old);
  residency.assign({"/m/a", "/m/v2"});
  EXPECT_EQ(residency.status()[1].state, ModelState::kDraining);
  const auto replacement = residency.acquire(kB);
  ASSERT_TRUE(replacement);
  EXPECT_NE(&old->model(), &replacement->model()) << "two versions side by side";
  EXPECT_EQ(residency.used_bytes(), 220u);
  old->release();
  EXPECT_EQ(residency.used_bytes(), 110u);
  EXPECT_EQ(models.n_alive, 1);
  residency.assign({"/m/a"});
  EXPECT_EQ(residency.status().back().state, ModelState::kDraining);
}

TEST(ResidencyTest, IdleModelsGoWhenTold) {
  FakeModels models;
  Residency residency(models.source(), {"/m/a", "/m/b"}, {.budget_bytes = 1000});
  ASSERT_TRUE(residency.acquire(kA));
  const auto b = residency.acquire(kB);
  residency.unload_idle();
  EXPECT_FALSE(residency.is_loaded(kA));
  EXPECT_TRUE(residency.is_loaded(kB));
  EXPECT_EQ(to_string(residency.status()[0].state), "absent");
  EXPECT_EQ(to_string(residency.status()[1].state), "leased");
}

// R18: 10,000 random loads, uses, failures, prefetches, stops and replacements; under sanitizers too.
TEST(ResidencyTest, ManyThreadsAndModels) {
  FakeModels models;
  const std::vector<std::filesystem::path> files = {"/m/a", "/m/b", "/m/c", "/m/broken"};
  Residency residency(models.source(), files, {.budget_bytes = 260});
  constexpr int kThreads = 4, kRounds = 2500;
  std::latch start(kThreads);
  std::atomic<int> n_leases = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t)
      threads.emplace_back([&, t] {
        start.arrive_and_wait();
        for (int i = 0; i < kRounds; ++i) {
          const auto id = SpecialistId((i * 7 + t) % 4);
          std::stop_source stop;
          if (i % 11 == 0) stop.request_stop();
          if (i % 5 == 0) residency.prefetch(SpecialistId((i + t) % 3));
          if (i % 7 == 0) residency.set_forecast({0.1 * t, 0.3, 0.1});
          if (i % 97 == 0)
            residency.assign(i % 2 ? files : std::vector<std::filesystem::path>(files.rbegin(), files.rend()));
          const auto lease = residency.acquire(
              id, {.stop = stop.get_token(), .priority = i % 3 ? Priority::kInteractive : Priority::kBackground});
          if (lease) ++n_leases;
          EXPECT_TRUE(lease || lease.error().code == ErrorCode::kCorrupt || lease.error().code == ErrorCode::kCancelled)
              << lease.error().message;
          EXPECT_LE(residency.used_bytes(), 260u);
        }
      });
  }
  EXPECT_GT(n_leases, kThreads * kRounds / 2);
  EXPECT_LE(models.n_alive, 2);
  wait_for([&] {  // for prefetches
    return std::ranges::none_of(residency.status(), [](const auto& s) { return s.state == ModelState::kLoading; });
  });
  residency.unload_idle();
  EXPECT_EQ(models.n_alive, 0);
  EXPECT_EQ(residency.used_bytes(), 0u);
}

}  // namespace
}  // namespace sain::router
