// How much each client may ask for in a minute.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace sain::router {

/// 0: as much as they like.
struct RateLimits {
  uint32_t requests_per_minute = 0;
  uint32_t tokens_per_minute = 0;  // of prompts and answers
};

/// Token buckets (Turner, "New directions in communications", 1986): what a minute allows is there at first, is used up
/// at once or bit by bit, and comes back evenly. What an answer costs is known at its end: then a client may have used
/// more than there was, and waits the longer. Thread-safe.
class RateLimiter {
 public:
  using Clock = std::chrono::steady_clock;

  RateLimiter(const RateLimits& limits, size_t n_clients, Clock::time_point now = Clock::now());

  /// Counts a request of the client and returns 0; or, if it has asked for too much, the seconds until it may try
  /// again.
  uint32_t admit(size_t client, Clock::time_point now = Clock::now());

  void count_tokens(size_t client, uint64_t n, Clock::time_point now = Clock::now());
  bool counts_tokens() const { return limits_.tokens_per_minute != 0; }

 private:
  struct Bucket {
    double requests, tokens;  // left
    Clock::time_point filled;
  };
  Bucket& fill(size_t client, Clock::time_point now);

  RateLimits limits_;
  std::mutex mutex_;
  std::vector<Bucket> buckets_;
};

}  // namespace sain::router
