#include "router/monitoring/metrics_registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <iterator>
#include <limits>
#include <map>

#include "formats/result.h"

namespace sain::router {
namespace {

using Text = std::back_insert_iterator<std::string>;

/// The upper bits of a double, its exponent and the first two of its fraction, number the buckets. What equals a bound
/// belongs to the bucket below it, so the number is that of the next smaller double.
constexpr int kDroppedBits = 52 - std::bit_width(Histogram::kBucketsPerDoubling - 1);

constexpr uint64_t bits_of(double value) {
  return std::bit_cast<uint64_t>(value);
}

constexpr uint64_t kLowestBits = (uint64_t{1023} + Histogram::kLowestExponent) << 52;  // of the first bound

bool is_valid_name(std::string_view name) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
  return !name.empty() && is_letter(name[0]) &&
         std::ranges::all_of(name, [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

/// Backslashes and newlines, and in label values quotes, are escaped.
void escape(Text out, std::string_view text, bool is_label) {
  for (const char c : text) {
    if (c == '\n') {
      fmt::format_to(out, "\\n");
    } else {
      if (c == '\\' || (is_label && c == '"')) *out++ = '\\';
      *out++ = c;
    }
  }
}

using StoredLabels = std::vector<std::pair<std::string, std::string>>;

void write_name(Text out, std::string_view name, std::string_view suffix, const StoredLabels& labels,
                std::string_view le = {}) {
  fmt::format_to(out, "{}{}", name, suffix);
  char separator = '{';
  for (const auto& [key, value] : labels) {
    fmt::format_to(out, "{}{}=\"", separator, key);
    escape(out, value, true);
    *out++ = '"';
    separator = ',';
  }
  if (!le.empty()) {
    fmt::format_to(out, "{}le=\"{}\"", separator, le);
    separator = ',';
  }
  fmt::format_to(out, "{} ", separator == ',' ? "}" : "");
}

void write_number(Text out, double value) {
  if (std::isnan(value)) {
    fmt::format_to(out, "NaN\n");
  } else if (std::isinf(value)) {
    fmt::format_to(out, "{}Inf\n", value > 0 ? '+' : '-');
  } else {
    fmt::format_to(out, "{}\n", value);
  }
}

constexpr const char* type_name(const Counter*) {
  return "counter";
}
constexpr const char* type_name(const Gauge*) {
  return "gauge";
}
constexpr const char* type_name(const Histogram*) {
  return "histogram";
}

template <class Number>
void write_series(Text out, std::string_view name, const StoredLabels& labels, const Number& number) {
  write_name(out, name, "", labels);
  write_number(out, number.value());
}

void write_series(Text out, std::string_view name, const StoredLabels& labels, const Histogram& histogram) {
  uint64_t count = 0;
  for (size_t i = 0; i < Histogram::kBounds; ++i) {
    count += histogram.bucket(i);
    if (i % Histogram::kBucketsPerDoubling != 0) continue;
    write_name(out, name, "_bucket", labels, fmt::format("{}", Histogram::upper_bound_ms(i) / 1e3));
    fmt::format_to(out, "{}\n", count);
  }
  count += histogram.bucket(Histogram::kBounds);
  write_name(out, name, "_bucket", labels, "+Inf");
  fmt::format_to(out, "{}\n", count);
  write_name(out, name, "_sum", labels);
  write_number(out, histogram.sum_ms() / 1e3);
  write_name(out, name, "_count", labels);
  fmt::format_to(out, "{}\n", count);
}

template <class Family>
std::string family_text(const Family& family) {
  std::string text;
  const Text out = std::back_inserter(text);
  fmt::format_to(out, "# HELP {} ", family.name);
  escape(out, family.help, false);
  fmt::format_to(out, "\n# TYPE {} {}\n", family.name, type_name(&family.series.front().metric));
  for (const auto& series : family.series) write_series(out, family.name, series.labels, series.metric);
  return text;
}

}  // namespace

void Counter::raise_to(double total) {
  double current = value();
  while (current < total && !value_.compare_exchange_weak(current, total, std::memory_order_relaxed)) {
  }
}

void Histogram::observe(double ms, uint64_t n) {
  if (!(ms > 0)) ms = 0;
  const uint64_t before = bits_of(ms) - 1;  // of 0: the greatest there is, which is below none of the bounds
  size_t i = 0;
  if (ms > 0 && before >= kLowestBits) {
    i = std::min<uint64_t>(((before - kLowestBits) >> kDroppedBits) + 1, kBounds);
  }
  buckets_[i].fetch_add(n, std::memory_order_relaxed);
  // An absurd duration must not wrap the sum round: 31 years at most.
  const double ns = std::min(ms * 1e6 * static_cast<double>(n), 1e18);
  sum_ns_.fetch_add(static_cast<uint64_t>(ns + 0.5), std::memory_order_relaxed);
}

uint64_t Histogram::count() const {
  uint64_t count = 0;
  for (const auto& bucket : buckets_) count += bucket.load(std::memory_order_relaxed);
  return count;
}

double Histogram::percentile_ms(double p) const {
  std::array<uint64_t, kBounds + 1> counts;
  uint64_t total = 0;
  for (size_t i = 0; i <= kBounds; ++i) total += counts[i] = bucket(i);
  const double rank = std::clamp(p, 0.0, 1.0) * static_cast<double>(total);
  double below = 0;
  for (size_t i = 0; i < kBounds; ++i) {
    const auto here = static_cast<double>(counts[i]);
    if (here > 0 && below + here >= rank) {
      const double low = i == 0 ? 0 : upper_bound_ms(i - 1);
      return low + (upper_bound_ms(i) - low) * (rank - below) / here;
    }
    below += here;
  }
  return total == 0 ? 0 : upper_bound_ms(kBounds - 1);
}

double Histogram::upper_bound_ms(size_t i) {
  return std::bit_cast<double>(kLowestBits + (uint64_t{i} << kDroppedBits));
}

Counter& MetricsRegistry::counter(std::string_view name, std::string_view help, Labels labels) {
  return find_or_add(counters_, name, help, labels);
}

Gauge& MetricsRegistry::gauge(std::string_view name, std::string_view help, Labels labels) {
  return find_or_add(gauges_, name, help, labels);
}

Histogram& MetricsRegistry::histogram(std::string_view name, std::string_view help, Labels labels) {
  return find_or_add(histograms_, name, help, labels);
}

template <class Metric>
Metric& MetricsRegistry::find_or_add(Families<Metric>& families, std::string_view name, std::string_view help,
                                     Labels labels) {
  const std::lock_guard lock(mutex_);
  auto family = std::ranges::find(families, name, &Family<Metric>::name);
  if (family == families.end()) {
    SAIN_CHECK(is_valid_name(name) && !is_another_kind(name, &families));
    families.push_back({std::string(name), std::string(help), {}});
    family = std::prev(families.end());
  }
  const auto is_same = [](const auto& a, const auto& b) { return a.first == b.first && a.second == b.second; };
  for (Series<Metric>& series : family->series) {
    if (std::equal(series.labels.begin(), series.labels.end(), labels.begin(), labels.end(), is_same))
      return series.metric;
  }
  for (const auto& label : labels) SAIN_CHECK(is_valid_name(label.first) && label.first != "le");
  Series<Metric>& added = family->series.emplace_back();
  added.labels.assign(labels.begin(), labels.end());
  return added.metric;
}

bool MetricsRegistry::is_another_kind(std::string_view name, const void* families) const {
  const auto has = [&](const auto& others) {
    return &others != families && std::ranges::any_of(others, [&](const auto& family) { return family.name == name; });
  };
  return has(counters_) || has(gauges_) || has(histograms_);
}

void MetricsRegistry::clear_gauges(std::string_view name) {
  const std::lock_guard lock(mutex_);
  for (Family<Gauge>& family : gauges_) {
    if (family.name != name) continue;
    for (Series<Gauge>& series : family.series) series.metric.set(0);
  }
}

std::string MetricsRegistry::prometheus() const {
  std::map<std::string_view, std::string> texts;
  const std::lock_guard lock(mutex_);
  const auto collect = [&](const auto& families) {
    for (const auto& family : families) texts[family.name] = family_text(family);
  };
  collect(counters_);
  collect(gauges_);
  collect(histograms_);
  std::string all;
  for (const auto& [name, text] : texts) all += text;
  return all;
}

}  // namespace sain::router
