// Numbers between bounds, as grammar.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace sain::formats {

constexpr int64_t kMostWhole = 9'999'999'999'999'999;  // 16 digits

/// A bound at a whole number, at most kMostWhole away from zero.
struct Bound {
  int64_t value = 0;
  bool is_open = false;  // the bound itself is outside
};

/// Integers from `low` to `high`, at most kMostWhole away from zero, without leading zeros. Empty where there are none.
std::string integers_between(int64_t low, int64_t high);

/// Decimal fractions between the bounds, those of integers included; no bound: any of up to 16 digits before the point.
/// Empty where there are none.
std::string numbers_between(std::optional<Bound> low, std::optional<Bound> high);

}  // namespace sain::formats
