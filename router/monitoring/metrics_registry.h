// Numbers about a running program, by name and labels, and their text for Prometheus.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sain::router {

/// What only grows. Thread-safe.
class Counter {
 public:
  void add(double amount = 1) { value_.fetch_add(amount, std::memory_order_relaxed); }  // amount >= 0
  /// For a total that somebody else keeps; a smaller one than before changes nothing.
  void raise_to(double total);
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_ = 0;
};

/// What rises and falls. Thread-safe.
class Gauge {
 public:
  void set(double value) { value_.store(value, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_ = 0;
};

/// Durations in milliseconds, counted in buckets of fixed bounds: four to each doubling from 1/16 ms to 131 s, one for
/// all below and one for all above. An observation costs two atomic additions. Thread-safe; one that is made while
/// others read may be in the count and not yet in the sum.
class Histogram {
 public:
  static constexpr int kLowestExponent = -4, kHighestExponent = 17;  // of 2: the first bound and the last, in ms
  static constexpr size_t kBucketsPerDoubling = 4;
  static constexpr size_t kBounds = (kHighestExponent - kLowestExponent) * kBucketsPerDoubling + 1;

  /// `n` durations of `ms` each. One that is negative or no number counts as 0.
  void observe(double ms, uint64_t n = 1);

  uint64_t count() const;
  double sum_ms() const { return static_cast<double>(sum_ns_.load(std::memory_order_relaxed)) / 1e6; }

  /// What a share `p` of the durations, 0 to 1, does not exceed, as though they lay evenly in their buckets: wrong by
  /// less than a quarter, mostly by a few per cent. 0 where there are none; never more than the last bound.
  double percentile_ms(double p) const;

  /// Durations of at most upper_bound_ms(i) and more than the bound before it; i = kBounds: more than all bounds.
  uint64_t bucket(size_t i) const { return buckets_[i].load(std::memory_order_relaxed); }
  static double upper_bound_ms(size_t i);

 private:
  std::array<std::atomic<uint64_t>, kBounds + 1> buckets_ = {};
  std::atomic<uint64_t> sum_ns_ = 0;
};

/// Owns all metrics of a program. Thread-safe. What it hands out lives as long as it does, so whoever counts often asks
/// once and keeps the reference; asking again allocates nothing.
///
/// Names and labels are those of Prometheus ([a-z_][a-z0-9_]*, base units, "_total" for counters); a name that is
/// malformed, or that was another kind of metric before, is a programmer's error. Label values are names from the
/// configuration and from enumerations: never anything of a request or an answer.
class MetricsRegistry {
 public:
  using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  /// The metric of this name and these labels, made at the first call; `help` is that of the first.
  Counter& counter(std::string_view name, std::string_view help, Labels labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, Labels labels = {});
  Histogram& histogram(std::string_view name, std::string_view help, Labels labels = {});  // its text is in seconds

  /// Of a gauge whose labels come and go (a model that is gone): all of them are 0.
  void clear_gauges(std::string_view name);

  /// All of them in the text format 0.0.4: families by name, within them in the order in which they were made.
  /// Histograms have a bucket a doubling.
  std::string prometheus() const;

 private:
  template <class Metric>
  struct Series {
    std::vector<std::pair<std::string, std::string>> labels;
    Metric metric;
  };
  template <class Metric>
  struct Family {
    std::string name, help;
    std::list<Series<Metric>> series;  // which stay where they are
  };
  template <class Metric>
  using Families = std::vector<Family<Metric>>;

  template <class Metric>
  Metric& find_or_add(Families<Metric>& families, std::string_view name, std::string_view help, Labels labels);
  bool is_another_kind(std::string_view name, const void* families) const;

  mutable std::mutex mutex_;
  Families<Counter> counters_;
  Families<Gauge> gauges_;
  Families<Histogram> histograms_;
};

}  // namespace sain::router
