#include "engine/cpu/batcher.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sain::engine::cpu {
namespace {

using Clock = std::chrono::steady_clock;

/// A pass waits for those who are expected at most such a part of the time that the last one took.
constexpr int kPatience = 4;

Result<Forward> make_forward(const Model& model, ThreadPool& pool, const BatcherOptions& options, size_t max_batch) {
  return Forward::create(model, pool, options.arithmetic, options.tuning, options.adapter, max_batch);
}

void copy(const MatrixView<const float>& from, const MatrixView<float>& to) {
  std::memcpy(to.data, from.data, to.rows * to.cols * sizeof(float));
}

}  // namespace

Batcher::Batcher(const Model& model, ThreadPool& pool, const BatcherOptions& options, Forward few, Forward many)
    : model_(&model), pool_(&pool), options_(options), few_(std::move(few)), many_(std::move(many)) {
  waiting_.reserve(few_.max_batch());
  taken_.reserve(few_.max_batch());
  segments_.reserve(few_.max_batch());
}

Result<std::shared_ptr<Batcher>> Batcher::create(const Model& model, ThreadPool& pool, const BatcherOptions& options) {
  SAIN_ASSIGN_OR_RETURN(Forward few, make_forward(model, pool, options, cpu::alike_rows(model, options.arithmetic)));
  SAIN_ASSIGN_OR_RETURN(Forward many,
                        make_forward(model, pool, options, prefill_batch(model.config(), options.tuning)));
  std::shared_ptr<Batcher> batcher(new Batcher(model, pool, options, std::move(few), std::move(many)));
  SAIN_RETURN_IF_ERROR(batcher->make_room_for_logits());
  return batcher;
}

Status Batcher::make_room_for_logits() {
  const size_t rows = alike_rows(), d_model = model_->config().d_model, n_logits = model_->config().vocab_size;
  SAIN_ASSIGN_OR_RETURN(memory_,
                        AlignedBuffer::allocate(rows * (d_model + n_logits) * sizeof(float), "logits of passes"));
  scored_ = {memory_.as<float>(), rows, d_model};
  logits_ = {scored_.row(rows), rows, n_logits};
  return {};
}

size_t Batcher::n_waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

bool Batcher::append(Seat& seat, const std::stop_token& stop) {
  if (stop.stop_requested()) return false;
  {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(seat.has_taken_, true)) ++n_seats_;
  }
  if (seat.segment.tokens.size() <= alike_rows()) {
    append_together(seat);
    return true;
  }
  return alone(stop, [&](Forward& forward, ThreadPool::Turn& turn) {
    if (!forward.run({&seat.segment, 1}, model_->config().n_layers, &turn, stop)) return false;
    const MatrixView<const float> hidden = forward.hidden();
    copy(hidden, seat.hidden);
    const size_t n = seat.logits.rows;
    if (n > 0) forward.logits({hidden.row(hidden.rows - n), n, hidden.cols}, seat.logits);
    seat.had_company = false;
    return true;
  });
}

void Batcher::leave(Seat& seat) {
  const std::lock_guard lock(mutex_);
  if (!std::exchange(seat.has_taken_, false) || --n_seats_ > 0) return;
  // What cannot be had anew stays as it is.
  if (auto fresh = make_forward(*model_, *pool_, options_, few_.max_batch())) few_ = *std::move(fresh);
  (void)make_room_for_logits();
  const std::lock_guard lease_lock(lease_mutex_);
  if (!leases_.empty()) return;
  if (auto fresh = make_forward(*model_, *pool_, options_, many_.max_batch())) many_ = *std::move(fresh);
}

void Batcher::append_together(Seat& seat) {
  std::unique_lock lock(mutex_);
  waiting_.push_back(&seat);
  n_waiting_ += seat.segment.tokens.size();
  if (seat.pass_ == n_passes_ && n_missing_ > 0) --n_missing_;
  seat.state_ = Seat::State::kWaiting;
  if (is_led_) {
    if (n_missing_ == 0 || n_waiting_ >= alike_rows()) gathered_.notify_one();
    seat.called_.wait(lock, [&] { return seat.state_ != Seat::State::kWaiting; });
    if (seat.state_ == Seat::State::kDone) return;
  }
  is_led_ = true;
  gather(lock);
  take();
  lock.unlock();
  const auto start = Clock::now();
  compute();
  lock.lock();
  ended_at_ = Clock::now();
  pass_time_ = ended_at_ - start;
  hand_over(seat);
}

/// Waits until all are here that are expected, unless a pass is full without them, or some have waited for a whole one.
void Batcher::gather(std::unique_lock<std::mutex>& lock) {
  if (is_overfull_) return;
  gathered_.wait_until(lock, ended_at_ + pass_time_ / kPatience,
                       [&] { return n_missing_ == 0 || n_waiting_ >= alike_rows(); });
}

/// Takes those who wait, in their order, as far as they fit into a pass; the first one, who leads, always does.
void Batcher::take() {
  taken_.clear();
  segments_.clear();
  ++n_passes_;
  size_t n_rows = 0, n_left = 0;
  for (Seat* seat : waiting_) {
    if (n_rows + seat->segment.tokens.size() > alike_rows()) {
      waiting_[n_left++] = seat;
      continue;
    }
    n_rows += seat->segment.tokens.size();
    seat->pass_ = n_passes_;
    taken_.push_back(seat);
    segments_.push_back(seat->segment);
  }
  waiting_.resize(n_left);
  n_waiting_ -= n_rows;
  n_missing_ = taken_.size();
  is_overfull_ = n_left > 0;
}

void Batcher::compute() {
  ThreadPool::Turn turn(*pool_, options_.priority);
  // A background pass lets others go first after each layer. An interactive one is short.
  few_.run(segments_, model_->config().n_layers, options_.priority == TurnPriority::kBackground ? &turn : nullptr);
  size_t end = 0, n_scored = 0;
  for (Seat* seat : taken_) {
    const size_t n = seat->segment.tokens.size(), n_logits = seat->logits.rows;
    const MatrixView<const float> hidden(few_.hidden().row(end), n, few_.hidden().cols);
    copy(hidden, seat->hidden);
    copy({hidden.row(n - n_logits), n_logits, hidden.cols}, {scored_.row(n_scored), n_logits, scored_.cols});
    end += n;
    n_scored += n_logits;
    seat->had_company = taken_.size() > 1;
  }
  if (n_scored == 0) return;
  const MatrixView<const float> scored(scored_.data, n_scored, scored_.cols);
  if (taken_.size() == 1) return few_.logits(scored, taken_[0]->logits);
  few_.logits(scored, {logits_.data, n_scored, logits_.cols});
  n_scored = 0;
  for (Seat* seat : taken_) {
    copy({logits_.row(n_scored), seat->logits.rows, logits_.cols}, seat->logits);
    n_scored += seat->logits.rows;
  }
}

/// Wakes all who took part, and the one who leads the next pass, if somebody waits.
void Batcher::hand_over(Seat& leader) {
  is_led_ = !waiting_.empty();
  if (is_led_) {
    waiting_[0]->state_ = Seat::State::kLeading;
    waiting_[0]->called_.notify_one();
  }
  for (Seat* seat : taken_) {
    seat->state_ = Seat::State::kDone;
    if (seat != &leader) seat->called_.notify_one();
  }
}

Batcher::Lease::Lease(Batcher& of, const std::stop_token& stop) : batcher(of) {
  std::unique_lock lock(batcher.lease_mutex_);
  batcher.leases_.push_back(this);
  is_held = batcher.lease_ended_.wait(lock, stop, [&] { return batcher.leases_.front() == this; });
}

Batcher::Lease::~Lease() {
  const std::lock_guard lock(batcher.lease_mutex_);
  std::erase(batcher.leases_, this);
  batcher.lease_ended_.notify_all();
}

Result<std::shared_ptr<Batcher>> Batchers::get(const Model& model, ThreadPool& pool, const BatcherOptions& options) {
  const std::lock_guard lock(mutex_);
  std::erase_if(batchers_, [](const auto& batcher) { return batcher.expired(); });
  for (const auto& batcher : batchers_) {
    auto found = batcher.lock();
    if (found != nullptr && &found->pool() == &pool && found->options() == options) return found;
  }
  SAIN_ASSIGN_OR_RETURN(std::shared_ptr<Batcher> made, Batcher::create(model, pool, options));
  batchers_.push_back(made);
  return made;
}

}  // namespace sain::engine::cpu
