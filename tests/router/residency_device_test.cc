// R2: this machine's memory and a device's have a budget each.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>
#include <thread>

#include "router/residency.h"
#include "tests/router/fake_models.h"

namespace sain::router {
namespace {

using ::testing::HasSubstr;

constexpr SpecialistId kA{0}, kB{1}, kC{2};

/// Models take a little more on the device than here.
FakeModels device_models() {
  return {.cost = {.weights_bytes = 100, .kv_bytes = 10, .device_weights_bytes = 120}};
}

ModelStatus status_of(const Residency& residency, SpecialistId id) {
  return residency.status()[index(id)];
}

TEST(ModelCost, APartOnTheDeviceLeavesTheRest) {
  const ModelCost cost = {.weights_bytes = 100, .kv_bytes = 10, .device_weights_bytes = 200};
  EXPECT_EQ(on_device(cost, 200).weights, (MemoryBytes{0, 200}));
  EXPECT_EQ(on_device(cost, 200).kv, (MemoryBytes{0, 10}));
  EXPECT_EQ(on_device(cost, 50).weights, (MemoryBytes{75, 50}));
  EXPECT_EQ(on_device(cost, 50).kv, (MemoryBytes{8, 2}));
  EXPECT_EQ(on_device(cost, 0).weights, on_host(cost).weights);
  EXPECT_EQ(on_device({.weights_bytes = 100, .kv_bytes = 10}, 50).weights, (MemoryBytes{100, 0})) << "there is none";
}

TEST(ResidencyDeviceTest, AModelThereTakesNothingHere) {
  FakeModels models = device_models();
  Residency residency(models.source(), {"/m/a", "/m/b"}, {.budget_bytes = 50, .device_budget_bytes = 300});
  {
    const auto first = residency.acquire(kA), second = residency.acquire(kA);
    ASSERT_TRUE(first && second);
    EXPECT_EQ(residency.used(), (MemoryBytes{0, 140}));
    EXPECT_EQ(status_of(residency, kA).kv, (MemoryBytes{0, 20}));
  }
  ASSERT_TRUE(residency.acquire(kB));
  EXPECT_EQ(residency.used(), (MemoryBytes{0, 240}));
  residency.unload_idle();
  EXPECT_EQ(residency.used(), MemoryBytes{});
}

TEST(ResidencyDeviceTest, WhatNeverFitsThereTheProcessorDoes) {
  FakeModels models = device_models();
  models.cost_of["/m/b"] = {.weights_bytes = 400, .kv_bytes = 10, .device_weights_bytes = 200};
  models.cost_of["/m/c"] = {.weights_bytes = 600, .kv_bytes = 10, .device_weights_bytes = 900};
  Residency residency(models.source(), {"/m/a", "/m/b", "/m/c"}, {.budget_bytes = 500, .device_budget_bytes = 320});
  const auto assistant = residency.acquire(kA, {.is_pinned = true});
  ASSERT_TRUE(assistant);
  // 200 would fit beside the assistant, and no KV cache with them.
  const auto b = residency.acquire(kB);
  ASSERT_TRUE(b) << b.error().message;
  EXPECT_EQ(residency.used(), (MemoryBytes{410, 120}));
  // Here it would not fit either.
  const auto c = residency.acquire(kC);
  ASSERT_FALSE(c);
  EXPECT_EQ(c.error().code, ErrorCode::kResourceExhausted);
  EXPECT_THAT(c.error().message, HasSubstr("/m/c"));
}

TEST(ResidencyDeviceTest, APartGoesIntoWhatIsFree) {
  FakeModels models = device_models();
  models.cost_of["/m/c"] = {.weights_bytes = 400, .kv_bytes = 10, .device_weights_bytes = 400};
  models.device_takes_parts = true;
  Residency residency(models.source(), {"/m/a", "/m/b", "/m/c"}, {.budget_bytes = 500, .device_budget_bytes = 320});
  const auto assistant = residency.acquire(kA, {.is_pinned = true});
  ASSERT_TRUE(assistant);
  ASSERT_TRUE(residency.acquire(kB));
  const auto c = residency.acquire(kC);
  ASSERT_TRUE(c) << c.error().message;
  EXPECT_TRUE(residency.is_loaded(kB));
  // 70 of the 80 that are free, a KV cache aside: a sixth of it.
  EXPECT_EQ(residency.used(), (MemoryBytes{330 + 9, 240 + 70 + 1}));
}

TEST(ResidencyDeviceTest, OnlyTheMemoryThatIsShortIsFreed) {
  FakeModels models = device_models();
  models.cost_of["/m/here"] = {.weights_bytes = 400, .kv_bytes = 10, .device_weights_bytes = 400};
  Residency residency(models.source(), {"/m/here", "/m/b", "/m/c"}, {.budget_bytes = 500, .device_budget_bytes = 200});
  ASSERT_TRUE(residency.acquire(kA));  // in no memory but this
  ASSERT_TRUE(residency.acquire(kB));
  residency.set_forecast({0, 0.9, 0.1});
  ASSERT_TRUE(residency.acquire(kC));
  EXPECT_TRUE(residency.is_loaded(kA)) << "its going would help nobody, though nobody wants it";
  EXPECT_FALSE(residency.is_loaded(kB));
  EXPECT_EQ(residency.used(), (MemoryBytes{400, 120}));
}

TEST(ResidencyDeviceTest, WhatTheDeviceDoesNotTakeAfterAllIsHere) {
  FakeModels models = device_models();
  models.cost_of["/m/idle"] = {.weights_bytes = 150};
  models.device_takes["/m/b"] = 0;
  models.device_takes["/m/c"] = 30;  // a quarter
  Residency residency(models.source(), {"/m/idle", "/m/b", "/m/c"}, {.budget_bytes = 170, .device_budget_bytes = 500});
  ASSERT_TRUE(residency.acquire(kA));
  {
    const auto b = residency.acquire(kB);
    ASSERT_TRUE(b);
    EXPECT_EQ(residency.used(), (MemoryBytes{110, 0}));
    EXPECT_FALSE(residency.is_loaded(kA)) << "it made room";
  }
  const auto c = residency.acquire(kC);
  ASSERT_TRUE(c);
  EXPECT_EQ(residency.used(), (MemoryBytes{75 + 8, 30 + 2}));
  EXPECT_FALSE(residency.is_loaded(kB));
}

TEST(ResidencyDeviceTest, WhatHasRoomNowhereIsAnError) {
  FakeModels models = device_models();
  models.device_takes["/m/a"] = 0;
  Residency residency(models.source(), {"/m/a", "/m/b"}, {.budget_bytes = 90, .device_budget_bytes = 500});
  for (const bool is_pinned : {false, true}) {
    const auto a = residency.acquire(kA, {.is_pinned = is_pinned});
    ASSERT_FALSE(a);
    EXPECT_EQ(a.error().code, ErrorCode::kResourceExhausted);
    EXPECT_EQ(residency.used(), MemoryBytes{});
    EXPECT_EQ(models.n_alive, 0);
  }
  EXPECT_TRUE(residency.acquire(kB)) << "the device takes the other one";
}

TEST(ResidencyDeviceTest, BlocksThatAreRoundedUpLockNobodyOut) {
  FakeModels models = device_models();
  models.device_takes["/m/a"] = 140;
  Residency residency(models.source(), {"/m/a"}, {.budget_bytes = 0, .device_budget_bytes = 131});
  for (int i = 0; i < 3; ++i) {
    const auto lease = residency.acquire(kA, {.timeout = std::chrono::seconds(5)});
    ASSERT_TRUE(lease) << lease.error().message;
    EXPECT_LE(residency.used().device, 131u);
  }
  EXPECT_EQ(models.n_loads, 1);
}

TEST(ResidencyDeviceTest, ALoadAheadThatTheDeviceRefusesEvictsNobodyBetter) {
  FakeModels models = device_models();
  models.cost_of["/m/a"] = {.weights_bytes = 150};
  models.device_takes["/m/b"] = 0;
  Residency residency(models.source(), {"/m/a", "/m/b"}, {.budget_bytes = 200, .device_budget_bytes = 500});
  ASSERT_TRUE(residency.acquire(kA));
  residency.set_forecast({0.9, 0.1});
  ASSERT_TRUE(residency.prefetch(kB)) << "there seems to be room on the device";
  while (status_of(residency, kB).state == ModelState::kLoading) std::this_thread::yield();
  EXPECT_TRUE(residency.is_loaded(kA));
  EXPECT_FALSE(residency.is_loaded(kB));
  EXPECT_EQ(residency.counters().n_prefetches_dropped, 1u);
  EXPECT_EQ(residency.used(), (MemoryBytes{150, 0}));
}

// R18: as ResidencyTest.ManyThreadsAndModels, where the device refuses what it should take, or takes a part.
TEST(ResidencyDeviceTest, ManyThreadsAndModels) {
  FakeModels models = device_models();
  models.device_takes["/m/c"] = 0;
  models.device_takes["/m/d"] = 60;
  Residency residency(models.source(), {"/m/a", "/m/b", "/m/c", "/m/d"},
                      {.budget_bytes = 250, .device_budget_bytes = 280});
  constexpr int kThreads = 4, kRounds = 1000;
  std::latch start(kThreads);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t)
      threads.emplace_back([&, t] {
        start.arrive_and_wait();
        for (int i = 0; i < kRounds; ++i) {
          if (i % 5 == 0) residency.prefetch(SpecialistId((i + t) % 4));
          if (i % 7 == 0) residency.set_forecast({0.1 * t, 0.3, 0.1, 0.2});
          const auto lease = residency.acquire(SpecialistId((i * 7 + t) % 4));
          EXPECT_TRUE(lease) << lease.error().message;
          EXPECT_LE(residency.used().device, 280u);
        }
      });
  }
  while (std::ranges::any_of(residency.status(), [](const auto& s) { return s.state == ModelState::kLoading; }))
    std::this_thread::yield();
  residency.unload_idle();
  EXPECT_EQ(models.n_alive, 0);
  EXPECT_EQ(residency.used(), MemoryBytes{});
}

}  // namespace
}  // namespace sain::router
