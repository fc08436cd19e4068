// A request to stop that comes from the caller, or with time.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>

namespace sain::router {

/// Asks to stop when the caller does, or when the time is over before it is told that there is no hurry any more.
class Deadline {
 public:
  Deadline(const std::stop_token& caller, std::chrono::milliseconds timeout)
      : forward_(caller, [this] { stop_.request_stop(); }), timer_([this, timeout](const std::stop_token& end) {
          std::unique_lock lock(mutex_);
          if (changed_.wait_for(lock, end, timeout, [this] { return is_met_; }) || end.stop_requested()) return;
          is_over_ = true;
          stop_.request_stop();
        }) {}

  void meet() {
    const std::lock_guard lock(mutex_);
    is_met_ = true;
    changed_.notify_all();
  }
  bool is_over() const {
    const std::lock_guard lock(mutex_);
    return is_over_;
  }
  std::stop_token token() const { return stop_.get_token(); }

 private:
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  bool is_met_ = false, is_over_ = false;
  std::stop_source stop_;
  std::stop_callback<std::function<void()>> forward_;
  std::jthread timer_;
};

}  // namespace sain::router
