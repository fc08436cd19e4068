#include "engine/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

namespace sain::engine {
namespace {

/// Runs one loop and returns, per index, how often it was covered; checks the contract of each range.
std::vector<int> cover(ThreadPool& pool, size_t n, size_t grain) {
  std::vector<std::atomic<int>> hits(n);
  pool.parallel_for(n, grain, [&](unsigned thread, size_t begin, size_t end) {
    EXPECT_LT(thread, pool.n_threads());
    EXPECT_EQ(begin % grain, 0u);
    EXPECT_LT(begin, end);
    EXPECT_LE(end - begin, grain);
    EXPECT_LE(end, n);
    for (size_t i = begin; i < end; ++i) hits[i].fetch_add(1);
  });
  return {hits.begin(), hits.end()};
}

TEST(ThreadPool, CoversEveryIndexOnceForAwkwardSizes) {
  for (const unsigned n_threads : {1u, 2u, 3u, 8u}) {
    ThreadPool pool(n_threads);
    EXPECT_EQ(pool.n_threads(), n_threads);
    for (const size_t n : {0u, 1u, 2u, 7u, 8u, 9u, 63u, 64u, 65u, 1000u}) {
      for (const size_t grain : {1u, 2u, 8u, 64u, 5000u}) {
        EXPECT_EQ(cover(pool, n, grain), std::vector<int>(n, 1)) << n << " in ranges of " << grain;
      }
    }
  }
}

TEST(ThreadPool, HugeGrainDoesNotOverflow) {
  ThreadPool pool(2);
  EXPECT_EQ(cover(pool, 10, SIZE_MAX), std::vector<int>(10, 1));
}

TEST(ThreadPool, CallerIsThreadZero) {
  ThreadPool pool(1);
  const auto caller = std::this_thread::get_id();
  pool.parallel_for(3, 1, [&](unsigned thread, size_t, size_t) {
    EXPECT_EQ(thread, 0u);
    EXPECT_EQ(std::this_thread::get_id(), caller);
  });
}

TEST(ThreadPool, ResultsAreVisibleAfterEachOfManyLoops) {
  ThreadPool pool(4);
  std::vector<uint64_t> values(257, 0);  // written by whichever thread takes the range, without atomics
  constexpr uint64_t kLoops = 20000;
  for (uint64_t loop = 0; loop < kLoops; ++loop) {
    pool.parallel_for(values.size(), 16, [&](unsigned, size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) values[i] += i;
    });
  }
  for (size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i], kLoops * i);
}

TEST(ThreadPool, WakesParkedWorkers) {
  ThreadPool pool(2);
  // Two ranges that wait for each other can only end when a second thread takes one, also after it has parked.
  for (int pause_ms : {0, 1, 20, 0}) {
    std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms));
    std::atomic<int> arrived{0};
    pool.parallel_for(2, 1, [&](unsigned, size_t, size_t) {
      arrived.fetch_add(1);
      while (arrived.load() < 2) std::this_thread::yield();
    });
    EXPECT_EQ(arrived.load(), 2);
  }
}

TEST(ThreadPool, AnySpinTimeGivesTheSame) {
  for (const uint32_t spin_us : {0u, 1u, 10'000u}) {
    ThreadPool pool(Tuning{.n_threads = 3, .spin_us = spin_us});
    EXPECT_EQ(pool.n_threads(), 3u);
    for (int i = 0; i < 50; ++i) EXPECT_EQ(cover(pool, 65, 8), std::vector<int>(65, 1)) << spin_us;
  }
}

TEST(ThreadPool, StartsAndEndsWithoutWork) {
  for (int i = 0; i < 200; ++i) {
    ThreadPool pool(3);
    if (i % 2 == 0) cover(pool, 5, 1);
  }
}

TEST(ThreadPool, DefaultIsAtLeastOneAndNoMoreThanTheLogicalCpus) {
  ThreadPool pool;
  EXPECT_GE(pool.n_threads(), 1u);
  EXPECT_LE(pool.n_threads(), std::max(1u, std::thread::hardware_concurrency()));
}

TEST(ThreadPool, ThreadsTakeTurns) {
  ThreadPool pool(2);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) {
        ThreadPool::Turn turn(pool);
        EXPECT_EQ(cover(pool, 9, 2), std::vector<int>(9, 1));
        turn.yield();
        EXPECT_EQ(cover(pool, 9, 2), std::vector<int>(9, 1));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(pool.n_waiting(), 0u);
}

TEST(ThreadPool, TurnsAreTakenInTheOrderInWhichTheyWereAskedFor) {
  ThreadPool pool(1);
  std::string order;
  auto turn = std::make_unique<ThreadPool::Turn>(pool);
  turn->yield();  // nobody waits
  std::vector<std::thread> threads;
  for (const char name : {'b', 'c'}) {
    threads.emplace_back([&, name] {
      ThreadPool::Turn mine(pool);
      order += name;
      mine.yield();
      order += name;
    });
    while (pool.n_waiting() < threads.size()) std::this_thread::yield();
  }
  order += 'a';
  turn->yield();
  order += 'a';
  turn.reset();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(order, "abcabc");
}

// R36: what somebody waits for goes first.
TEST(ThreadPool, ATurnThatYieldsHasAsLongAsOneThatDoesNot) {
  using Clock = std::chrono::steady_clock;
  constexpr auto kWhole = std::chrono::milliseconds(50);
  ThreadPool pool(1);
  {
    const ThreadPool::Turn whole(pool);
    std::this_thread::sleep_for(kWhole);
  }
  ThreadPool::Turn turn(pool);
  const Clock::time_point begin = Clock::now();
  std::atomic<bool> had_turn = false;
  const std::jthread other([&] {
    const ThreadPool::Turn mine(pool);
    had_turn = true;
  });
  while (pool.n_waiting() == 0) std::this_thread::yield();
  turn.yield();
  if (Clock::now() - begin < kWhole) {
    EXPECT_FALSE(had_turn);
  }
  while (!had_turn) turn.yield();
}

TEST(ThreadPool, AnInteractiveTurnOvertakesABackgroundOne) {
  ThreadPool pool(1);
  std::string order;
  auto turn = std::make_unique<ThreadPool::Turn>(pool, TurnPriority::kBackground);
  std::vector<std::thread> threads;
  for (const char name : {'b', 'i'}) {
    threads.emplace_back([&, name] {
      const ThreadPool::Turn mine(pool, name == 'b' ? TurnPriority::kBackground : TurnPriority::kInteractive);
      order += name;
    });
    while (pool.n_waiting() < threads.size()) std::this_thread::yield();
  }
  turn.reset();  // which took as long as the two needed to begin
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(order, "ib");
}

// R36: without an end if background turns starved.
TEST(ThreadPool, ABackgroundTurnComesInTheEnd) {
  ThreadPool pool(1);
  std::atomic<bool> is_done = false;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      ThreadPool::Turn mine(pool);
      while (!is_done) mine.yield();
    });
  }
  for (int i = 0; i < 20; ++i) {
    ThreadPool::Turn turn(pool, TurnPriority::kBackground);
    turn.yield();
  }
  is_done = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(pool.n_waiting(), 0u);
}

TEST(ThreadPool, BackgroundTurnsAloneNeedNotWaitForAnybody) {
  ThreadPool pool(1);
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) {
        ThreadPool::Turn mine(pool, TurnPriority::kBackground);
        mine.yield();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(pool.n_waiting(), 0u);
}

using ThreadPoolDeathTest = ::testing::Test;

TEST(ThreadPoolDeathTest, RefusesALoopInsideALoop) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        ThreadPool pool(2);
        pool.parallel_for(1, 1,
                          [&](unsigned, size_t, size_t) { pool.parallel_for(1, 1, [](unsigned, size_t, size_t) {}); });
      },
      "SAIN_CHECK failed");
}

TEST(ThreadPoolDeathTest, RefusesZeroGrain) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        ThreadPool pool(1);
        pool.parallel_for(1, 0, [](unsigned, size_t, size_t) {});
      },
      "SAIN_CHECK failed");
}

}  // namespace
}  // namespace sain::engine
