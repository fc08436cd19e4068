// Models come and go inside the budget; leases hold them.
#include "router/residency.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>
#include <thread>

#include "tests/router/fake_models.h"

namespace sain::router {
namespace {

using ::testing::HasSubstr;

constexpr SpecialistId kA{0}, kB{1}, kC{2};

TEST(ResidencyTest, ALeaseHoldsAndItsEndUnloads) {
  FakeModels models;
  Residency residency(models.source(), {"/m/a", "/m/b"}, 1000, KeepLoaded::kWhileLeased);
  {
    const auto lease = residency.acquire(kB, {});
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
  Residency residency(models.source(), {"/m/a", "/m/b"}, 1000, KeepLoaded::kWhileLeased);
  auto first = residency.acquire(kA, {});
  auto second = residency.acquire(kA, {});
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
  Residency residency(models.source(), {"/m/a", "/m/../m/a", "/m/./a"}, 1000, KeepLoaded::kWhileLeased);
  const auto a = residency.acquire(kA, {}), b = residency.acquire(kB, {}), c = residency.acquire(kC, {});
  ASSERT_TRUE(a && b && c);
  EXPECT_EQ(&a->model(), &c->model());
  EXPECT_EQ(models.n_loads, 1);
  EXPECT_EQ(residency.used_bytes(), 130u);
}

TEST(ResidencyTest, TheBudgetIsCheckedBeforeLoading) {
  FakeModels models;
  Residency residency(models.source(), {"/m/a", "/m/b"}, 200, KeepLoaded::kWhileLeased);
  auto a = residency.acquire(kA, {});
  ASSERT_TRUE(a);
  const auto b = residency.acquire(kB, {});
  ASSERT_FALSE(b);
  EXPECT_EQ(b.error().code, ErrorCode::kResourceExhausted);
  EXPECT_THAT(b.error().message, HasSubstr("/m/b"));
  EXPECT_EQ(models.n_loads, 1);
  a->release();
  EXPECT_TRUE(residency.acquire(kB, {})) << "a refused load must not count against the budget";
}

TEST(ResidencyTest, IdleModelsMakeRoomOldestFirst) {
  FakeModels models;
  Residency residency(models.source(), {"/m/a", "/m/b", "/m/c"}, 250, KeepLoaded::kUntilNeeded);
  ASSERT_TRUE(residency.acquire(kA, {}));
  ASSERT_TRUE(residency.acquire(kB, {}));
  ASSERT_TRUE(residency.acquire(kA, {}));
  EXPECT_EQ(models.n_loads, 2) << "idle models stay";
  ASSERT_TRUE(residency.acquire(kC, {}));
  EXPECT_TRUE(residency.is_loaded(kA));
  EXPECT_FALSE(residency.is_loaded(kB));
  EXPECT_EQ(residency.used_bytes(), 200u);
}

TEST(ResidencyTest, LeasedModelsAreNeverEvicted) {
  FakeModels models;
  Residency residency(models.source(), {"/m/a", "/m/b"}, 200, KeepLoaded::kUntilNeeded);
  const auto a = residency.acquire(kA, {});
  ASSERT_TRUE(a);
  EXPECT_FALSE(residency.acquire(kB, {}));
  EXPECT_TRUE(residency.is_loaded(kA));
}

TEST(ResidencyTest, AFailedLoadLeavesNothingBehind) {
  FakeModels models;
  Residency residency(models.source(), {"/m/broken", "/m/missing", "/m/huge"}, 1000, KeepLoaded::kUntilNeeded);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(residency.acquire(kA, {}).error().code, ErrorCode::kCorrupt);
    EXPECT_EQ(residency.acquire(kB, {}).error().code, ErrorCode::kNotFound);
    EXPECT_EQ(residency.acquire(kC, {}).error().code, ErrorCode::kResourceExhausted);
    EXPECT_EQ(residency.used_bytes(), 0u);
  }
}

TEST(ResidencyTest, ProgressComesInOrderOnTheCallingThread) {
  FakeModels models;
  Residency residency(models.source(), {"/m/a"}, 1000, KeepLoaded::kUntilNeeded);
  std::vector<StatusEvent> events;
  const auto caller = std::this_thread::get_id();
  const auto status = [&](const StatusEvent& event) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    events.push_back(event);
  };
  ASSERT_TRUE(residency.acquire(kA, status));
  ASSERT_FALSE(events.empty());  // a load that is over at once has but its end to tell
  double last = -1;
  for (const StatusEvent& event : events) {
    EXPECT_GE(event.fraction, last);
    last = event.fraction;
  }
  EXPECT_EQ(events.back().kind, StatusEvent::Kind::kReady);
  events.clear();
  ASSERT_TRUE(residency.acquire(kA, status));
  EXPECT_EQ(events.size(), 1u) << "nothing is loaded the second time";
}

TEST(ResidencyTest, AStopEndsTheLoad) {
  FakeModels models;
  Residency residency(models.source(), {"/m/a"}, 1000, KeepLoaded::kUntilNeeded);
  std::stop_source stop;
  const auto lease = residency.acquire(
      kA, [&stop](const StatusEvent&) { stop.request_stop(); }, stop.get_token());
  // The stop comes while the load runs or after it; both are fine, a third outcome is not.
  EXPECT_TRUE(lease || lease.error().code == ErrorCode::kCancelled);
  const auto stopped = residency.acquire(kA, {}, stop.get_token());
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
  EXPECT_TRUE(residency.acquire(kA, {}));
}

TEST(ResidencyTest, ManyThreadsAndModels) {
  FakeModels models;
  Residency residency(models.source(), {"/m/a", "/m/b", "/m/c"}, 260, KeepLoaded::kUntilNeeded);
  constexpr int kThreads = 4, kRounds = 200;
  std::latch start(kThreads);
  std::atomic<int> n_leases = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t)
      threads.emplace_back([&, t] {
        start.arrive_and_wait();
        for (int i = 0; i < kRounds; ++i) {
          const auto lease = residency.acquire(SpecialistId((i * 7 + t) % 3), {});
          if (lease) {
            ++n_leases;
          } else {
            EXPECT_EQ(lease.error().code, ErrorCode::kResourceExhausted);
          }
          EXPECT_LE(residency.used_bytes(), 260u);
        }
      });
  }
  EXPECT_GT(n_leases, kRounds);
  EXPECT_LE(models.n_alive, 2);
}

}  // namespace
}  // namespace sain::router
