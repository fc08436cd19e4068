// A strict reader of the Prometheus text format 0.0.4, for tests: whatever the format does not allow fails the test.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sain::testing {

struct PrometheusText {
  using Labels = std::map<std::string, std::string>;

  std::vector<std::string> families;         // in order
  std::map<std::string, std::string> types;  // by family
  std::map<std::pair<std::string, Labels>, double> samples;

  double value(const std::string& name, const Labels& labels) const {
    const auto found = samples.find({name, labels});
    EXPECT_NE(found, samples.end()) << name;
    return found == samples.end() ? std::nan("") : found->second;
  }
};

namespace internal {

class PrometheusParser {
 public:
  explicit PrometheusParser(std::string_view text) : rest_(text) {}

  PrometheusText run() {
    while (!rest_.empty() && ok_) {
      if (rest_.front() == '#') {
        header();
      } else {
        sample();
      }
    }
    for (const std::string& family : text_.families) {
      if (text_.types[family] == "histogram") check_histogram(family);
    }
    return std::move(text_);
  }

 private:
  void fail(const std::string& what) {
    ADD_FAILURE() << what << " before: " << rest_.substr(0, 60);
    ok_ = false;
  }

  void expect(std::string_view wanted) {
    if (!rest_.starts_with(wanted)) return fail("expected " + std::string(wanted));
    rest_.remove_prefix(wanted.size());
  }

  std::string until(char end) {
    const size_t n = rest_.find(end);
    if (n == std::string_view::npos) return fail(std::string("no ") + end), "";
    std::string taken(rest_.substr(0, n));
    rest_.remove_prefix(n + 1);
    return taken;
  }

  std::string name() {
    size_t n = 0;
    const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
    while (n < rest_.size() && (is_letter(rest_[n]) || (n > 0 && rest_[n] >= '0' && rest_[n] <= '9'))) ++n;
    if (n == 0) fail("expected a name");
    std::string taken(rest_.substr(0, n));
    rest_.remove_prefix(n);
    return taken;
  }

  /// HELP, then TYPE, of a family that was not there before.
  void header() {
    expect("# HELP ");
    const std::string family = name();
    expect(" ");
    until('\n');
    expect("# TYPE " + family + " ");
    const std::string type = until('\n');
    if (type != "counter" && type != "gauge" && type != "histogram") fail("type " + type);
    if (!text_.types.emplace(family, type).second) fail(family + " comes twice");
    text_.families.push_back(family);
  }

  void sample() {
    if (text_.families.empty()) return fail("a sample without a family");
    const std::string& family = text_.families.back();
    const std::string sample_name = name();
    const std::string suffix = sample_name.starts_with(family) ? sample_name.substr(family.size()) : "another family";
    const bool is_histogram = text_.types[family] == "histogram";
    if (is_histogram ? suffix != "_bucket" && suffix != "_sum" && suffix != "_count" : !suffix.empty()) {
      fail(sample_name + " in the family " + family);
    }
    PrometheusText::Labels labels;
    if (rest_.starts_with("{")) {
      do {
        rest_.remove_prefix(1);
        const std::string key = name();
        expect("=\"");
        if (!labels.emplace(key, label_value()).second) fail("label " + key + " comes twice");
      } while (ok_ && rest_.starts_with(","));
      expect("}");
    }
    expect(" ");
    if (!text_.samples.emplace(std::pair(sample_name, labels), number(until('\n'))).second)
      fail(sample_name + " twice");
    if (is_histogram && suffix == "_bucket") bounds_[family].push_back(labels);
  }

  std::string label_value() {
    std::string value;
    while (!rest_.empty() && rest_.front() != '"') {
      char c = rest_.front();
      if (c == '\n') return fail("a newline in a label"), value;
      rest_.remove_prefix(1);
      if (c == '\\') {
        const size_t which = std::string_view("n\\\"").find(rest_.empty() ? ' ' : rest_.front());
        if (which == std::string_view::npos) return fail("unknown escape"), value;
        c = "\n\\\""[which];
        rest_.remove_prefix(1);
      }
      value += c;
    }
    expect("\"");
    return value;
  }

  double number(const std::string& text) {
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (text.empty() || *end != '\0') fail("no number: " + text);
    return value;
  }

  /// Buckets rise in bound and count, end in +Inf, and agree with the count.
  void check_histogram(const std::string& family) {
    PrometheusText::Labels last_labels;
    double last_bound = 0, last_count = 0;
    for (PrometheusText::Labels labels : bounds_[family]) {
      const double count = text_.value(family + "_bucket", labels);
      const double bound = number(labels["le"]);
      const std::string le = labels["le"];
      labels.erase("le");
      if (labels != last_labels || last_bound == 0 || std::isinf(last_bound)) last_bound = last_count = 0;
      EXPECT_GT(bound, last_bound) << family;
      EXPECT_GE(count, last_count) << family;
      if (le == "+Inf") {
        EXPECT_EQ(count, text_.value(family + "_count", labels));
      }
      last_labels = labels, last_bound = bound, last_count = count;
    }
    EXPECT_TRUE(std::isinf(last_bound)) << family;
  }

  std::string_view rest_;
  bool ok_ = true;
  PrometheusText text_;
  std::map<std::string, std::vector<PrometheusText::Labels>> bounds_;  // by family, in order
};

}  // namespace internal

inline PrometheusText parse_prometheus(std::string_view text) {
  return internal::PrometheusParser(text).run();
}

}  // namespace sain::testing
