#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "formats/jinja/filters.h"
#include "formats/jinja/methods.h"
#include "formats/jinja/operators.h"
#include "formats/jinja/unicode.h"

namespace sain::formats::jinja {
namespace {

/// text without white space around it and without single underscores between its digits; nullopt if one is misplaced.
std::optional<std::string> plain_number(std::string_view text) {
  text = text.substr(0, rskip_space(text));
  text = text.substr(skip_space(text));
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      result.push_back(text[i]);
    } else if (i == 0 || i + 1 == text.size() || text[i - 1] == '_' || text[i + 1] == '_') {
      return std::nullopt;
    }
  }
  return result;
}

/// int(text, base): nullopt where Python raises ValueError. Errors: beyond 64 bits.
Result<std::optional<int64_t>> parse_integer(std::string_view text, int64_t base) {
  using Parsed = std::optional<int64_t>;
  const auto plain = plain_number(text);
  if (!plain || plain->empty()) return Parsed();
  const bool negative = plain->front() == '-';
  std::string digits = plain->substr(negative || plain->front() == '+' ? 1 : 0);
  if (digits.size() > 2 && digits[0] == '0') {
    const char letter = static_cast<char>(digits[1] | 0x20);
    const int64_t prefixed = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10;
    if (prefixed != 10 && (base == prefixed || base == 0)) {
      base = prefixed;
      digits.erase(0, 2);
    }
  }
  if (base == 0) base = 10;
  if (base < 2 || base > 36) return Parsed();
  if (negative) digits.insert(digits.begin(), '-');
  int64_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto result = std::from_chars(digits.data(), end, value, static_cast<int>(base));
  if (result.ptr != end || result.ec == std::errc::invalid_argument) return Parsed();
  if (result.ec != std::errc()) return make_error(ErrorCode::kResourceExhausted, "an integer beyond 64 bits");
  return Parsed(value);
}

/// float(text): nullopt where Python raises ValueError.
std::optional<double> parse_float(std::string_view text) {
  auto plain = plain_number(text);
  if (!plain) return std::nullopt;
  const bool negative = plain->starts_with('-');
  if (negative || plain->starts_with('+')) plain->erase(0, 1);
  // from_chars() knows the same spellings of infinity and NaN, and "nan(...)", which Python does not.
  if (plain->empty() || plain->front() == '-' || plain->find('(') != std::string::npos) return std::nullopt;
  double value = 0;
  const char* end = plain->data() + plain->size();
  const auto result = std::from_chars(plain->data(), end, value);
  if (result.ptr != end || result.ec == std::errc::invalid_argument) return std::nullopt;
  if (result.ec == std::errc::result_out_of_range) value = std::strtod(plain->c_str(), nullptr);
  return negative ? -value : value;
}

Result<Value> truncate_to_integer(double number, Trust trust) {
  if (std::isnan(number)) return template_error("NaN is no integer");
  if (!(std::fabs(number) < 9.2e18)) return make_error(ErrorCode::kResourceExhausted, "an integer beyond 64 bits");
  return Value(static_cast<int64_t>(number), trust);
}

Result<Value> integer_filter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("int", arguments, {"default", "base"}));
  const Value fallback = bound[0] == nullptr ? Value(int64_t{0}) : *bound[0];
  if (input.is_undefined()) return type_error("a number", input);
  if (const auto integer = input.integer()) return Value(*integer, input.scalar_trust());
  if (input.is_float()) {
    if (std::isnan(*input.number())) return fallback;
    return truncate_to_integer(*input.number(), input.scalar_trust());
  }
  const Text* text = input.text();
  if (text == nullptr) return fallback;
  SAIN_RETURN_IF_ERROR(runtime.charge_text_scan(text->size()));
  SAIN_ASSIGN_OR_RETURN(const int64_t base, integer_or(bound[1], 10));
  SAIN_ASSIGN_OR_RETURN(const auto integer, parse_integer(text->bytes(), base));
  if (integer) return Value(*integer, text->trust());
  const auto number = parse_float(text->bytes());
  if (!number || std::isnan(*number)) return fallback;
  return truncate_to_integer(*number, text->trust());
}

Result<Value> float_filter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("float", arguments, {"default"}));
  if (input.is_undefined()) return type_error("a number", input);
  if (const auto number = input.number()) return Value(*number, input.scalar_trust());
  if (const Text* text = input.text()) {
    SAIN_RETURN_IF_ERROR(runtime.charge_text_scan(text->size()));
    if (const auto number = parse_float(text->bytes())) return Value(*number, text->trust());
  }
  return bound[0] == nullptr ? Value(0.0) : *bound[0];
}

Result<Value> absolute(Runtime&, const Value& input, const Arguments& arguments) {
  SAIN_RETURN_IF_ERROR(bind("abs", arguments, {}));
  if (input.is_float()) return Value(std::fabs(*input.number()), input.scalar_trust());
  const auto integer = input.integer();
  if (!integer) return type_error("a number", input);
  if (*integer < 0) return negate(input);
  return Value(*integer, input.scalar_trust());
}

/// round(integer, -n): to a multiple of 10 ** n, half to even.
Result<Value> round_integer(int64_t value, int64_t n_digits, Trust trust) {
  if (n_digits >= 0) return Value(value, trust);
  int64_t unit = 1;
  for (int64_t i = 0; i < -n_digits; ++i) {
    if (__builtin_mul_overflow(unit, int64_t{10}, &unit)) return Value(int64_t{0}, trust);
  }
  int64_t quotient = value / unit;
  const int64_t remainder = value % unit;
  const int64_t twice = std::abs(remainder) - (unit - std::abs(remainder));  // > 0: beyond the half
  if (twice > 0 || (twice == 0 && quotient % 2 != 0)) quotient += value < 0 ? -1 : 1;
  int64_t result = 0;
  if (__builtin_mul_overflow(quotient, unit, &result)) {
    return make_error(ErrorCode::kResourceExhausted, "an integer beyond 64 bits");
  }
  return Value(result, trust);
}

Result<Value> round(Runtime&, const Value& input, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("round", arguments, {"precision", "method"}));
  SAIN_ASSIGN_OR_RETURN(const int64_t precision, integer_or(bound[0], 0));
  std::string method = "common";
  if (bound[1] != nullptr) {
    SAIN_ASSIGN_OR_RETURN(const Text* text, text_argument(bound[1]));
    method = text->bytes();
  }
  const auto number = input.number();
  if (!number) return type_error("a number", input);
  constexpr int64_t kMostDigits = 400;  // no double has more
  const int n_digits = static_cast<int>(std::clamp(precision, -kMostDigits, kMostDigits));
  if (method == "common") {
    if (const auto integer = input.integer()) return round_integer(*integer, precision, input.scalar_trust());
    return Value(round_float(*number, n_digits), input.scalar_trust());
  }
  if (method != "ceil" && method != "floor") return template_error("round() has no method '{}'", method);
  const double unit = std::pow(10.0, n_digits);
  const double scaled = *number * unit;
  if (!std::isfinite(scaled) || !std::isfinite(unit)) return template_error("round() of a number beyond its range");
  return Value((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / unit, input.scalar_trust());
}

}  // namespace

Filter find_number_filter(std::string_view name) {
  if (name == "abs") return absolute;
  if (name == "float") return float_filter;
  if (name == "int") return integer_filter;
  if (name == "round") return round;
  return nullptr;
}

}  // namespace sain::formats::jinja
