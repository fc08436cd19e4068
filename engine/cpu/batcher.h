// Passes that several conversations share.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <stop_token>
#include <vector>

#include "engine/adapter.h"
#include "engine/aligned_buffer.h"
#include "engine/cpu/forward.h"
#include "engine/thread_pool.h"
#include "engine/tuning.h"
#include "formats/result.h"
#include "kernels/matrix_view.h"

namespace sain::engine::cpu {

/// What sessions have in common that share passes.
struct BatcherOptions {
  Arithmetic arithmetic = Arithmetic::kInt8;
  Tuning tuning = {};
  const Adapter* adapter = nullptr;  // of the model; or none
  TurnPriority priority = TurnPriority::kInteractive;

  bool operator==(const BatcherOptions&) const = default;
};

/// Brings the passes of a model's sessions together (continuous batching, after Orca, OSDI 2022): what they append goes
/// through the weights at once while that is few tokens, as in decode. A session's own thread does the work: one that
/// finds nobody at it takes what waits, its own and others', through the model, and then makes the first of those that
/// have come meanwhile the next to do so. Who was in the last pass is waited for, for a moment: streams that sample
/// their tokens at the same time stay together.
///
/// A pass has at most alike_rows() tokens, so that what a session gets does not depend on who else is served. More
/// tokens than that of one session go alone, with a Forward of their own: decode passes come between its layers.
///
/// Owns the activations of both. Refers to its Model, ThreadPool and Adapter, which must outlive it. Thread-safe.
class Batcher {
 public:
  /// Takes all its memory here. Errors: kResourceExhausted.
  static Result<std::shared_ptr<Batcher>> create(const Model& model, ThreadPool& pool, const BatcherOptions& options);

  const BatcherOptions& options() const { return options_; }
  const ThreadPool& pool() const { return *pool_; }
  size_t max_batch() const { return many_.max_batch(); }
  size_t alike_rows() const { return few_.max_batch(); }
  size_t n_waiting() const;  // sessions that the next pass of few tokens could take

  /// A session's part in passes. It stays where it is from one append() to the next, and belongs to one batcher.
  class Seat {
   public:
    Segment segment;           // what append() takes: 1 to max_batch() tokens
    MatrixView<float> hidden;  // out: (tokens, d_model), the states after the last layer
    MatrixView<float> logits;  // out: (at most tokens and Forward::kMaxLogits, vocab_size), of the last tokens
    bool had_company = false;  // out: others were in the same pass

   private:
    friend class Batcher;
    enum class State { kWaiting, kLeading, kDone } state_ = State::kWaiting;
    std::condition_variable called_;
    uint64_t pass_ = 0;  // the number of its last one
    bool has_taken_ = false;
  };

  /// Appends seat.segment to its cache. False, and nothing is appended, after a request of `stop`: at once while others
  /// are at work and the tokens are more than alike_rows(), else within a layer of these, or before a pass of few.
  bool append(Seat& seat, const std::stop_token& stop);

  /// The seat takes no more. With the last one all memory that passes have touched goes back, as the session's own
  /// does.
  void leave(Seat& seat);

  /// Calls f(forward, turn) when nobody else uses the Forward for many tokens. False, and it is not called, after a
  /// request of `stop`.
  template <class F>
  bool alone(const std::stop_token& stop, F&& f) {
    const Lease lease(*this, stop);
    if (!lease.is_held) return false;
    ThreadPool::Turn turn(*pool_, options_.priority);
    return f(many_, turn);
  }

 private:
  struct Lease {
    Lease(Batcher& batcher, const std::stop_token& stop);
    ~Lease();
    Batcher& batcher;
    bool is_held;
  };

  Batcher(const Model& model, ThreadPool& pool, const BatcherOptions& options, Forward few, Forward many);
  Status make_room_for_logits();
  void append_together(Seat& seat);
  void gather(std::unique_lock<std::mutex>& lock);
  void take();
  void compute();
  void hand_over(Seat& leader);

  const Model* model_;
  ThreadPool* pool_;
  BatcherOptions options_;
  Forward few_, many_;
  AlignedBuffer memory_;      // backs the views below
  MatrixView<float> scored_;  // (alike_rows, d_model): hidden states whose logits are wanted
  MatrixView<float> logits_;  // (alike_rows, vocab_size)

  // Of few_.
  mutable std::mutex mutex_;
  std::condition_variable gathered_;
  bool is_led_ = false;
  std::vector<Seat*> waiting_;  // in the order in which they came
  std::vector<Seat*> taken_;    // the current pass's, and its segments
  std::vector<Segment> segments_;
  size_t n_seats_ = 0;    // that have taken something, and not left
  size_t n_waiting_ = 0;  // tokens
  size_t n_missing_ = 0;  // seats of the last pass that have not come back
  uint64_t n_passes_ = 0;
  bool is_overfull_ = false;                             // the last pass has left some waiting
  std::chrono::steady_clock::time_point ended_at_ = {};  // the last pass
  std::chrono::steady_clock::duration pass_time_ = {};

  // Of many_: who wants it, in order; the first one has it.
  std::mutex lease_mutex_;
  std::condition_variable_any lease_ended_;
  std::vector<const Lease*> leases_;
};

/// The batchers of one model, as long as sessions have them. Thread-safe.
class Batchers {
 public:
  /// Errors: kResourceExhausted.
  Result<std::shared_ptr<Batcher>> get(const Model& model, ThreadPool& pool, const BatcherOptions& options);

 private:
  std::mutex mutex_;
  std::vector<std::weak_ptr<Batcher>> batchers_;
};

}  // namespace sain::engine::cpu
