// A pool of worker threads for data-parallel loops; the calling thread is one of the workers.
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>

#include "engine/tuning.h"

namespace sain::engine {

/// Who goes first where several wait for their turn.
enum class TurnPriority {
  kInteractive,  // somebody waits for the answer
  kBackground,   // nobody does: it gets what interactive turns leave, and a ninth of the time where they leave nothing
};

/// Workers that spin for a short while after each loop and then park, see Tuning::spin_us. One loop runs at a time:
/// threads that share a pool take turns, and a loop started inside a loop ends the program.
class ThreadPool {
 public:
  /// `n_threads` counts the caller; 0 means as many as there are physical cores for this process (affinity mask and
  /// CPU quota respected, see engine/cpu_count.h). Where the system refuses further threads the pool has fewer.
  explicit ThreadPool(unsigned n_threads = 0) : ThreadPool(Tuning{.n_threads = n_threads}) {}
  explicit ThreadPool(const Tuning& tuning);  // of its n_threads and spin_us
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  unsigned n_threads() const;

  /// Calls task(thread, begin, end) until [0, n) is covered: each range is at most `grain` (> 0) long and starts at
  /// a multiple of it; threads take ranges as they become free, the caller as thread 0. Returns when all are done;
  /// what the tasks wrote is then visible to the caller. Tasks must not throw. Allocates nothing.
  using Task = void (*)(void* context, unsigned thread, size_t begin, size_t end);
  void run(size_t n, size_t grain, Task task, void* context);

  template <class F>
  void parallel_for(size_t n, size_t grain, F&& f) {
    run(
        n, grain,
        [](void* context, unsigned thread, size_t begin, size_t end) {
          (*static_cast<std::remove_reference_t<F>*>(context))(thread, begin, end);
        },
        const_cast<std::remove_const_t<std::remove_reference_t<F>>*>(&f));
  }

  /// While it lives, loops of this thread may run. Among equals whoever asked first gets the next turn. After a
  /// background turn the next one waits until interactive ones have had eight times as long, or until none of them was
  /// taken or wanted for some milliseconds: so it is not starved, and a token that is being sampled does not let a
  /// layer of a long prompt pass. Not for a thread that has one.
  class Turn {
   public:
    /// Waits until it is this thread's turn.
    explicit Turn(ThreadPool& pool, TurnPriority priority = TurnPriority::kInteractive);
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

    /// Lets those who wait go first, if there are any that may; equals not before it has had as long as the last turn
    /// that did not yield: so passes over many tokens, which do, and those of decode share the time by halves.
    void yield();

   private:
    ThreadPool& pool_;
    TurnPriority priority_;
  };
  unsigned n_waiting() const;  // for a turn

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sain::engine
