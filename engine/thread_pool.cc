#include "engine/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <limits>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "engine/cpu_count.h"
#include "formats/result.h"

namespace sain::engine {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint32_t kStop = std::numeric_limits<uint32_t>::max();  // as `untaken`: the workers shall end

void pause_cpu() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Returns when `value` meets `done`: spins for a while, then parks on it.
template <class Done>
void wait_until(const std::atomic<uint32_t>& value, std::chrono::microseconds spin, Done&& done) {
  const auto deadline = std::chrono::steady_clock::now() + spin;
  do {
    for (int i = 0; i < 64; ++i) {
      if (done(value.load(std::memory_order_acquire))) return;
      pause_cpu();
    }
  } while (std::chrono::steady_clock::now() < deadline);
  for (uint32_t seen = value.load(std::memory_order_acquire); !done(seen);
       seen = value.load(std::memory_order_acquire)) {
    value.wait(seen, std::memory_order_acquire);
  }
}

}  // namespace

// `task` to `n_ranges` are written only while no range is left to take or to finish. Whoever takes a range
// (decrements `untaken` from above zero) acquires them, and they stay until that range is finished. So the caller
// need not wait for a worker that woke too late to get any.
struct ThreadPool::State {
  Task task = nullptr;
  void* context = nullptr;
  size_t n = 0;
  size_t grain = 0;
  uint32_t n_ranges = 0;
  std::chrono::microseconds spin{};

  alignas(64) std::atomic<uint32_t> untaken{0};     // workers park here while it is 0
  alignas(64) std::atomic<uint32_t> unfinished{0};  // the caller parks here until it is 0
  std::atomic<bool> running{false};
  std::vector<std::thread> workers;

  // Who waits for a turn, by priority; each has a number of its own.
  struct Queue {
    uint64_t first = 0, next = 0;
    uint64_t size() const { return next - first; }
    bool is_empty() const { return size() == 0; }
  };
  mutable std::mutex turns;
  std::condition_variable turn_ended;
  Queue interactive, background;
  bool is_taken = false;
  Clock::time_point taken_at = {};
  Clock::time_point began_at = {};         // the turn; taken_at: what it has not been charged for
  bool has_yielded = false;                // the turn, to others
  Clock::duration last_whole = {};         // how long the last turn took that did not
  Clock::time_point interactive_end = {};  // of the last such turn
  Clock::duration owed = {};               // to interactive turns, before the next background one

  static constexpr int kShare = 8;  // of the time of a background turn, that interactive ones get after it
  static constexpr auto kLeast = std::chrono::milliseconds(1);  // that is owed when the first background turn is wanted
  static constexpr auto kMostWhole = std::chrono::milliseconds(250);  // so that one hiccup does not make another
  static constexpr auto kGrace = std::chrono::milliseconds(2);        // longer than sampling a token takes

  bool is_debt_paid() const { return owed <= Clock::duration::zero(); }

  void take_turn(std::unique_lock<std::mutex>& lock, TurnPriority priority) {
    if (priority == TurnPriority::kInteractive) {
      const uint64_t mine = interactive.next++;
      turn_ended.wait(
          lock, [&] { return !is_taken && interactive.first == mine && (background.is_empty() || !is_debt_paid()); });
      ++interactive.first;
    } else {
      if (background.is_empty()) owed = std::max<Clock::duration>(owed, kLeast);
      const uint64_t mine = background.next++;
      for (;;) {
        const bool is_next = !is_taken && background.first == mine;
        if (is_next && is_debt_paid()) break;
        if (!is_next || !interactive.is_empty()) {
          turn_ended.wait(lock);
        } else if (Clock::now() < interactive_end + kGrace) {
          turn_ended.wait_until(lock, interactive_end + kGrace);
        } else {
          break;
        }
      }
      ++background.first;
    }
    is_taken = true;
    taken_at = began_at = Clock::now();
  }

  /// Whether a turn may go on because nobody waits who may go first, or because it has had less than others get.
  bool may_go_on(TurnPriority priority) const {
    if (!interactive.is_empty()) return priority == TurnPriority::kInteractive && taken_at - began_at < last_whole;
    return background.is_empty() || (priority == TurnPriority::kInteractive && !is_debt_paid());
  }

  void account(TurnPriority priority) {
    const auto now = Clock::now();
    if (priority == TurnPriority::kBackground) {
      owed = kShare * (now - taken_at);
    } else {
      interactive_end = now;
      if (!background.is_empty()) owed -= now - taken_at;
    }
    taken_at = now;
  }

  void end_turn() {
    is_taken = false;
    turn_ended.notify_all();
  }

  void work(unsigned thread) {
    for (;;) {
      wait_until(untaken, spin, [](uint32_t left) { return left != 0; });
      take_ranges(thread);
      if (untaken.load(std::memory_order_relaxed) == kStop) return;
    }
  }

  void take_ranges(unsigned thread) {
    for (uint32_t left = untaken.load(std::memory_order_relaxed); left != 0 && left != kStop;) {
      if (!untaken.compare_exchange_weak(left, left - 1, std::memory_order_acquire, std::memory_order_relaxed)) {
        continue;
      }
      const size_t begin = (n_ranges - left) * grain;
      task(context, thread, begin, begin + std::min(grain, n - begin));
      if (unfinished.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished.notify_one();
      left = untaken.load(std::memory_order_relaxed);
    }
  }
};

ThreadPool::ThreadPool(const Tuning& tuning) : state_(std::make_unique<State>()) {
  const unsigned n_threads = tuning.n_threads != 0 ? tuning.n_threads : available_cores();
  state_->spin = std::chrono::microseconds(tuning.spin_us);
  state_->workers.reserve(n_threads - 1);
  try {
    for (unsigned thread = 1; thread < n_threads; ++thread) {
      state_->workers.emplace_back([state = state_.get(), thread] { state->work(thread); });
    }
  } catch (const std::system_error&) {
    // A process limit: the loops are right with any number of threads.
  }
}

ThreadPool::~ThreadPool() {
  state_->untaken.store(kStop, std::memory_order_release);
  state_->untaken.notify_all();
  for (std::thread& worker : state_->workers) worker.join();
}

unsigned ThreadPool::n_threads() const {
  return static_cast<unsigned>(state_->workers.size()) + 1;
}

ThreadPool::Turn::Turn(ThreadPool& pool, TurnPriority priority) : pool_(pool), priority_(priority) {
  std::unique_lock lock(pool_.state_->turns);
  pool_.state_->take_turn(lock, priority_);
  pool_.state_->has_yielded = false;
}

ThreadPool::Turn::~Turn() {
  const std::lock_guard lock(pool_.state_->turns);
  pool_.state_->account(priority_);
  if (!pool_.state_->has_yielded)
    pool_.state_->last_whole =
        std::min<Clock::duration>(pool_.state_->taken_at - pool_.state_->began_at, State::kMostWhole);
  pool_.state_->end_turn();
}

void ThreadPool::Turn::yield() {
  std::unique_lock lock(pool_.state_->turns);
  pool_.state_->account(priority_);
  if (pool_.state_->may_go_on(priority_)) return;
  pool_.state_->end_turn();
  pool_.state_->take_turn(lock, priority_);
  pool_.state_->has_yielded = true;
}

unsigned ThreadPool::n_waiting() const {
  const std::lock_guard lock(state_->turns);
  return static_cast<unsigned>(state_->interactive.size() + state_->background.size());
}

void ThreadPool::run(size_t n, size_t grain, Task task, void* context) {
  if (n == 0) return;
  SAIN_CHECK(grain > 0);
  const size_t n_ranges = (n - 1) / grain + 1;
  SAIN_CHECK(n_ranges < kStop);
  State& state = *state_;
  SAIN_CHECK(!state.running.exchange(true, std::memory_order_acquire));  // a loop inside a loop
  state.task = task;
  state.context = context;
  state.n = n;
  state.grain = grain;
  state.n_ranges = static_cast<uint32_t>(n_ranges);
  state.unfinished.store(state.n_ranges, std::memory_order_relaxed);
  state.untaken.store(state.n_ranges, std::memory_order_release);
  if (n_ranges > 1 && !state.workers.empty()) state.untaken.notify_all();
  state.take_ranges(0);
  wait_until(state.unfinished, state.spin, [](uint32_t left) { return left == 0; });
  state.running.store(false, std::memory_order_release);
}

}  // namespace sain::engine
