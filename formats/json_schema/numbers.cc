#include "formats/json_schema/numbers.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "formats/json_schema/grammar_text.h"

namespace sain::formats {
namespace {

std::string digits(char low, char high) {
  return low == high ? fmt::format("\"{}\"", low) : fmt::format("[{}-{}]", low, high);
}

/// Numbers of as many digits as both have.
std::string same_length(std::string_view low, std::string_view high) {
  const size_t n_rest = low.size() - 1;
  const std::string zeros(n_rest, '0'), nines(n_rest, '9');
  if (n_rest == 0) return digits(low[0], high[0]);
  if (low.substr(1) == zeros && high.substr(1) == nines) {
    return fmt::format("{} [0-9]{{{}}}", digits(low[0], high[0]), n_rest);
  }
  if (low[0] == high[0])
    return fmt::format("{} {}", digits(low[0], low[0]), any_of({same_length(low.substr(1), high.substr(1))}));
  std::vector<std::string> parts;
  char first = low[0], last = high[0];
  if (low.substr(1) != zeros) {
    parts.push_back(fmt::format("{} {}", digits(first, first), any_of({same_length(low.substr(1), nines)})));
    ++first;
  }
  const bool ends_early = high.substr(1) != nines;
  if (ends_early) --last;
  if (first <= last) parts.push_back(fmt::format("{} [0-9]{{{}}}", digits(first, last), n_rest));
  if (ends_early) {
    parts.push_back(fmt::format("{} {}", digits(high[0], high[0]), any_of({same_length(zeros, high.substr(1))})));
  }
  return any_of(parts);
}

/// Numbers from `low` (at least 0) to `high`; empty where there are none.
std::string naturals(int64_t low, int64_t high) {
  std::vector<std::string> parts;
  while (low <= high) {
    const std::string first = std::to_string(low);
    std::string last = std::string(first.size(), '9');
    if (last.size() >= std::to_string(high).size()) last = std::to_string(high);
    parts.push_back(same_length(first, last));
    low = std::stoll(last) + 1;
  }
  return parts.empty() ? "" : any_of(parts);
}

/// Numbers without a sign between the bounds, which are at least 0.
std::string magnitudes(Bound low, std::optional<Bound> high) {
  std::vector<std::string> parts;
  const auto add = [&](const std::string& whole, std::string_view rest) {
    if (!whole.empty()) parts.push_back(fmt::format("{} {}", whole, rest));
  };
  if (!high || low.value < high->value) {
    add(naturals(low.value, low.value), low.is_open ? R"("." [0-9]{0,15} [1-9])" : "fraction?");
    add(naturals(low.value + 1, high ? high->value - 1 : kMostWhole), "fraction?");
  }
  const bool meets_low = high && (low.value < high->value || (low.value == high->value && !low.is_open));
  if (meets_low && !high->is_open) add(naturals(high->value, high->value), "");
  return parts.empty() ? "" : any_of(parts);
}

std::string with_sign(const std::string& negative, const std::string& positive) {
  std::vector<std::string> parts;
  if (!negative.empty()) parts.push_back("\"-\" " + negative);
  if (!positive.empty()) parts.push_back(positive);
  return parts.empty() ? "" : any_of(parts);
}

}  // namespace

std::string integers_between(int64_t low, int64_t high) {
  low = std::max(low, -kMostWhole);
  high = std::min(high, kMostWhole);
  return with_sign(naturals(std::max<int64_t>(1, -high), -low), naturals(std::max<int64_t>(0, low), high));
}

std::string numbers_between(std::optional<Bound> low, std::optional<Bound> high) {
  const auto negated = [](std::optional<Bound> bound) {
    return bound ? std::optional(Bound{-bound->value, bound->is_open}) : std::nullopt;
  };
  std::string negative, positive;
  if (!low || low->value < 0) {
    negative = magnitudes(high && high->value <= 0 ? *negated(high) : Bound(), negated(low));
  }
  if (!high || high->value >= 0) positive = magnitudes(low && low->value >= 0 ? *low : Bound(), high);
  return with_sign(negative, positive);
}

}  // namespace sain::formats
