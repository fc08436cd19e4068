#include "router/http/rate_limit.h"

#include <gtest/gtest.h>

namespace sain::router {
namespace {

using namespace std::chrono_literals;

const RateLimiter::Clock::time_point kStart{};

TEST(RateLimit, NoneLetsEverythingThrough) {
  RateLimiter limiter({}, 1, kStart);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(limiter.admit(0, kStart), 0u);
  limiter.count_tokens(0, 1'000'000, kStart);
  EXPECT_EQ(limiter.admit(0, kStart), 0u);
}

TEST(RateLimit, RequestsComeBackEvenly) {
  RateLimiter limiter({.requests_per_minute = 6}, 2, kStart);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(limiter.admit(0, kStart), 0u) << i;
  EXPECT_EQ(limiter.admit(0, kStart), 10u);
  EXPECT_EQ(limiter.admit(1, kStart), 0u) << "another client has its own";
  EXPECT_EQ(limiter.admit(0, kStart + 9500ms), 1u);
  EXPECT_EQ(limiter.admit(0, kStart + 10s), 0u);
  EXPECT_EQ(limiter.admit(0, kStart + 10s), 10u);
}

TEST(RateLimit, NobodySavesMoreThanAMinuteAllows) {
  RateLimiter limiter({.requests_per_minute = 2}, 1, kStart);
  EXPECT_EQ(limiter.admit(0, kStart + 1h), 0u);
  EXPECT_EQ(limiter.admit(0, kStart + 1h), 0u);
  EXPECT_EQ(limiter.admit(0, kStart + 1h), 30u);
}

TEST(RateLimit, AnAnswerThatCostMoreThanWasLeftIsWaitedFor) {
  RateLimiter limiter({.tokens_per_minute = 600}, 1, kStart);
  EXPECT_EQ(limiter.admit(0, kStart), 0u);
  limiter.count_tokens(0, 1199, kStart);
  EXPECT_EQ(limiter.admit(0, kStart), 60u);
  EXPECT_EQ(limiter.admit(0, kStart + 59s), 1u);
  EXPECT_EQ(limiter.admit(0, kStart + 60s), 0u);
}

}  // namespace
}  // namespace sain::router
