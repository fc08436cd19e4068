// R23: counters, gauges and histograms, and their text: read here by a parser that knows nothing but the format.
#include "router/monitoring/metrics_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>
#include <thread>
#include <vector>

#include "tests/router/monitoring/prometheus_parser.h"

namespace sain::router {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::parse_prometheus;
using testing::PrometheusText;

TEST(MetricsRegistry, OneMetricForEachNameAndLabels) {
  MetricsRegistry metrics;
  Counter& coding = metrics.counter("sain_requests_total", "Requests.", {{"member", "coding"}});
  Counter& writing = metrics.counter("sain_requests_total", "Requests.", {{"member", "writing"}});
  coding.add();
  coding.add(2);
  writing.add();
  EXPECT_EQ(&metrics.counter("sain_requests_total", "Other words.", {{"member", "coding"}}), &coding);
  EXPECT_EQ(coding.value(), 3);
  EXPECT_EQ(metrics.prometheus(),
            "# HELP sain_requests_total Requests.\n"
            "# TYPE sain_requests_total counter\n"
            "sain_requests_total{member=\"coding\"} 3\n"
            "sain_requests_total{member=\"writing\"} 1\n");
}

TEST(MetricsRegistry, CountersNeverFall) {
  Counter counter;
  counter.raise_to(5);
  counter.raise_to(3);
  EXPECT_EQ(counter.value(), 5);
}

TEST(MetricsRegistry, GaugesThatAreGoneAreZero) {
  MetricsRegistry metrics;
  metrics.gauge("sain_memory_bytes", "Bytes.", {{"owner", "kv"}}).set(7);
  metrics.gauge("sain_budget_bytes", "Bytes.").set(9);
  metrics.clear_gauges("sain_memory_bytes");
  EXPECT_EQ(metrics.gauge("sain_memory_bytes", "", {{"owner", "kv"}}).value(), 0);
  EXPECT_EQ(metrics.gauge("sain_budget_bytes", "").value(), 9);
}

TEST(MetricsRegistry, TheTextEscapesWhatItMust) {
  MetricsRegistry metrics;
  metrics.gauge("a", "back\\slash \"quoted\"\nsecond line", {{"label", "a\\b \"c\"\nd"}}).set(1);
  const std::string text = metrics.prometheus();
  EXPECT_THAT(text, HasSubstr("# HELP a back\\\\slash \"quoted\"\\nsecond line\n"));
  EXPECT_THAT(text, HasSubstr(R"(a{label="a\\b \"c\"\nd"} 1)"));
  const PrometheusText parsed = parse_prometheus(text);
  EXPECT_EQ(parsed.value("a", {{"label", "a\\b \"c\"\nd"}}), 1);
}

TEST(MetricsRegistry, NumbersComeBackAsTheyWere) {
  MetricsRegistry metrics;
  const double values[] = {0, 1, -2.5, 1e300, 1e-9, 123456789012345, std::numeric_limits<double>::infinity()};
  for (size_t i = 0; i < std::size(values); ++i) {
    metrics.gauge("g", "Numbers.", {{"i", std::to_string(i)}}).set(values[i]);
  }
  metrics.gauge("nan", "No number.").set(std::nan(""));
  const PrometheusText parsed = parse_prometheus(metrics.prometheus());
  for (size_t i = 0; i < std::size(values); ++i) EXPECT_EQ(parsed.value("g", {{"i", std::to_string(i)}}), values[i]);
  EXPECT_TRUE(std::isnan(parsed.value("nan", {})));
}

TEST(MetricsRegistry, TheOrderIsStable) {
  MetricsRegistry metrics;
  metrics.histogram("sain_b_seconds", "B.").observe(3);
  metrics.counter("sain_c_total", "C.", {{"x", "2"}}).add();
  metrics.counter("sain_c_total", "C.", {{"x", "1"}}).add();
  metrics.gauge("sain_a", "A.").set(1);
  const PrometheusText parsed = parse_prometheus(metrics.prometheus());
  EXPECT_THAT(parsed.families, ElementsAre("sain_a", "sain_b_seconds", "sain_c_total"));
  EXPECT_EQ(metrics.prometheus(), metrics.prometheus());
}

TEST(MetricsRegistry, AHistogramsTextIsCumulativeAndInSeconds) {
  MetricsRegistry metrics;
  Histogram& histogram = metrics.histogram("sain_stage_seconds", "Stages.", {{"stage", "load"}});
  for (const double ms : {0.0, 0.01, 1.0, 1.5, 300.0, 1e6}) histogram.observe(ms);
  const PrometheusText parsed = parse_prometheus(metrics.prometheus());
  const auto bucket = [&](const char* le) {
    return parsed.value("sain_stage_seconds_bucket", {{"stage", "load"}, {"le", le}});
  };
  EXPECT_EQ(bucket("6.25e-05"), 2);
  EXPECT_EQ(bucket("0.001"), 3);  // what equals a bound is not above it
  EXPECT_EQ(bucket("0.002"), 4);
  EXPECT_EQ(bucket("0.256"), 4);
  EXPECT_EQ(bucket("0.512"), 5);
  EXPECT_EQ(bucket("131.072"), 5);
  EXPECT_EQ(bucket("+Inf"), 6);
  EXPECT_EQ(parsed.value("sain_stage_seconds_count", {{"stage", "load"}}), 6);
  EXPECT_NEAR(parsed.value("sain_stage_seconds_sum", {{"stage", "load"}}), 1000.30251, 1e-9);
}

TEST(MetricsRegistry, WrongNamesAndKindsEndTheProgram) {
  MetricsRegistry metrics;
  metrics.counter("a", "A.");
  EXPECT_DEATH(metrics.gauge("a", "A."), "SAIN_CHECK");
  EXPECT_DEATH(metrics.gauge("1a", "A."), "SAIN_CHECK");
  EXPECT_DEATH(metrics.gauge("b", "B.", {{"le", "1"}}), "SAIN_CHECK");
  EXPECT_DEATH(metrics.gauge("b", "B.", {{"x y", "1"}}), "SAIN_CHECK");
}

TEST(Histogram, EveryDurationIsInItsBucket) {
  EXPECT_EQ(Histogram::upper_bound_ms(0), 0.0625);
  EXPECT_EQ(Histogram::upper_bound_ms(1), 0.078125);
  EXPECT_EQ(Histogram::upper_bound_ms(Histogram::kBounds - 1), 131072);
  std::vector<double> durations = {0, 1e-300, 5e-324, 0.0625, 131072, 131073, 1e300, 0.1, 100000};
  for (size_t i = 0; i < Histogram::kBounds; ++i) {
    const double bound = Histogram::upper_bound_ms(i);
    durations.insert(durations.end(), {bound, std::nextafter(bound, 0), std::nextafter(bound, 1e9)});
  }
  for (const double ms : durations) {
    Histogram histogram;
    histogram.observe(ms);
    size_t expected = 0;
    while (expected < Histogram::kBounds && ms > Histogram::upper_bound_ms(expected)) ++expected;
    EXPECT_EQ(histogram.bucket(expected), 1u) << ms;
  }
}

TEST(Histogram, WhatIsNoDurationCountsAsNone) {
  Histogram histogram;
  histogram.observe(-1);
  histogram.observe(std::nan(""));
  EXPECT_EQ(histogram.bucket(0), 2u);
  EXPECT_EQ(histogram.sum_ms(), 0);
  histogram.observe(std::numeric_limits<double>::infinity());
  EXPECT_EQ(histogram.bucket(Histogram::kBounds), 1u);
  EXPECT_EQ(histogram.percentile_ms(1), 131072);
}

TEST(Histogram, PercentilesAreNearTheTrueOnes) {
  EXPECT_EQ(Histogram().percentile_ms(0.5), 0);
  for (const double sigma : {0.05, 0.5, 1.5}) {
    std::mt19937 random(7);
    std::lognormal_distribution<double> durations(std::log(80), sigma);
    Histogram histogram;
    std::vector<double> all(20'000);
    for (double& ms : all) histogram.observe(ms = durations(random));
    std::ranges::sort(all);
    for (const double p : {0.5, 0.95, 0.99}) {
      const double expected = all[static_cast<size_t>(p * static_cast<double>(all.size()))];
      EXPECT_NEAR(histogram.percentile_ms(p) / expected, 1, sigma < 0.1 ? 0.12 : 0.03) << p << " of sigma " << sigma;
    }
    EXPECT_EQ(histogram.count(), all.size());
  }
}

TEST(Histogram, ManyAtOnceAreAsOneByOne) {
  Histogram many, single;
  many.observe(12.5, 40);
  for (int i = 0; i < 40; ++i) single.observe(12.5);
  EXPECT_EQ(many.count(), single.count());
  EXPECT_EQ(many.sum_ms(), single.sum_ms());
  EXPECT_EQ(many.percentile_ms(0.5), single.percentile_ms(0.5));
}

TEST(MetricsRegistry, ThreadsCountTogether) {
  MetricsRegistry metrics;
  constexpr int kThreads = 4, kTimes = 5000;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < kTimes; ++i) {
          metrics.counter("c", "C.", {{"i", i % 2 ? "odd" : "even"}}).add();
          metrics.histogram("h", "H.").observe(i);
          if (i % 1000 == 0) parse_prometheus(metrics.prometheus());
        }
      });
    }
  }
  EXPECT_EQ(metrics.counter("c", "", {{"i", "odd"}}).value(), kThreads * kTimes / 2);
  EXPECT_EQ(metrics.histogram("h", "").count(), uint64_t{kThreads} * kTimes);
}

}  // namespace
}  // namespace sain::router
