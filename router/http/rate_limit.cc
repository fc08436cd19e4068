#include "router/http/rate_limit.h"

#include <algorithm>
#include <cmath>

namespace sain::router {
namespace {

constexpr double kSecondsOfMinute = 60;

/// Seconds until `left` of a bucket that holds `limit` is at least `needed`.
double wait_for(double left, double needed, double limit) {
  return limit == 0 || left >= needed ? 0 : (needed - left) * kSecondsOfMinute / limit;
}

}  // namespace

RateLimiter::RateLimiter(const RateLimits& limits, size_t n_clients, Clock::time_point now)
    : limits_(limits),
      buckets_(n_clients,
               {static_cast<double>(limits.requests_per_minute), static_cast<double>(limits.tokens_per_minute), now}) {}

RateLimiter::Bucket& RateLimiter::fill(size_t client, Clock::time_point now) {
  Bucket& bucket = buckets_.at(client);
  const double minutes = std::max(0.0, std::chrono::duration<double>(now - bucket.filled).count() / kSecondsOfMinute);
  const auto fill_one = [&](double& left, double limit) { left = std::min(limit, left + limit * minutes); };
  fill_one(bucket.requests, limits_.requests_per_minute);
  fill_one(bucket.tokens, limits_.tokens_per_minute);
  bucket.filled = now;
  return bucket;
}

uint32_t RateLimiter::admit(size_t client, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  Bucket& bucket = fill(client, now);
  const double seconds = std::max(wait_for(bucket.requests, 1, limits_.requests_per_minute),
                                  wait_for(bucket.tokens, 1, limits_.tokens_per_minute));
  if (seconds > 0) return std::max(1u, static_cast<uint32_t>(std::ceil(seconds)));
  bucket.requests -= 1;
  return 0;
}

void RateLimiter::count_tokens(size_t client, uint64_t n, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  fill(client, now).tokens -= static_cast<double>(n);
}

}  // namespace sain::router
