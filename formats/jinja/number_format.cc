#include "formats/jinja/number_format.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string_view>

#include "formats/jinja/methods.h"
#include "formats/jinja/text_operations.h"
#include "formats/jinja/unicode.h"

namespace sain::formats::jinja {
namespace {

/// Digits after the point that a format may ask for; a double has no more than 1074 of them.
constexpr int64_t kMaxPrecision = 1100;

std::string sign_of(bool negative, char style) {
  if (negative) return "-";
  return style == '-' ? "" : std::string(1, style);
}

std::string digits_in_base(uint64_t magnitude, unsigned base, bool upper) {
  const char* const alphabet = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  std::string digits;
  do {
    digits.push_back(alphabet[magnitude % base]);
    magnitude /= base;
  } while (magnitude != 0);
  std::reverse(digits.begin(), digits.end());
  return digits;
}

/// Puts `separator` between the groups of three (four for other bases than ten) of the digits before any point.
void group_digits(std::string& digits, char separator, size_t group_size) {
  const size_t end = std::min(digits.find_first_not_of("0123456789abcdefABCDEF"), digits.size());
  for (size_t i = end; i > group_size;) {
    i -= group_size;
    digits.insert(i, 1, separator);
  }
}

Status check_precision(int64_t precision) {
  if (precision <= kMaxPrecision) return {};
  return make_error(ErrorCode::kResourceExhausted, "a precision of {} digits", precision);
}

}  // namespace

Result<NumberText> format_integer(int64_t number, const NumberStyle& style) {
  SAIN_RETURN_IF_ERROR(check_precision(style.precision));
  const char type = style.type;
  const unsigned base = type == 'd' ? 10 : type == 'b' ? 2 : type == 'o' ? 8 : 16;
  const auto magnitude = number < 0 ? 0 - static_cast<uint64_t>(number) : static_cast<uint64_t>(number);
  NumberText text{sign_of(number < 0, style.sign), digits_in_base(magnitude, base, type == 'X')};
  if (style.alternate && base != 10) text.prefix += std::string("0") + type;
  const auto n_digits = static_cast<int64_t>(text.digits.size());
  if (style.precision > n_digits) text.digits.insert(0, static_cast<size_t>(style.precision - n_digits), '0');
  if (style.grouping != '\0') group_digits(text.digits, style.grouping, base == 10 ? 3 : 4);
  return text;
}

Result<NumberText> format_float(double number, const NumberStyle& style) {
  SAIN_RETURN_IF_ERROR(check_precision(style.precision));
  const bool upper = style.type == 'E' || style.type == 'F' || style.type == 'G';
  const bool negative = std::signbit(number) && !std::isnan(number);
  NumberText text{sign_of(negative, style.sign), ""};
  const bool percent = style.type == '%';
  const double magnitude = std::fabs(number) * (percent ? 100 : 1);
  if (!std::isfinite(magnitude)) {
    text.digits = std::isnan(number) ? (upper ? "NAN" : "nan") : (upper ? "INF" : "inf");
  } else {
    const std::string directive = fmt::format("%{}.*{}", style.alternate ? "#" : "", percent ? 'f' : style.type);
    const int precision = style.precision < 0 ? 6 : static_cast<int>(style.precision);
    constexpr size_t kMostBytes = 320 + static_cast<size_t>(kMaxPrecision);  // 309 digits before the point
    char buffer[kMostBytes];
    const int n_bytes = std::snprintf(buffer, sizeof buffer, directive.c_str(), precision, magnitude);
    text.digits.assign(buffer, static_cast<size_t>(n_bytes));
    if (style.grouping != '\0') group_digits(text.digits, style.grouping, 3);
  }
  if (percent) text.digits.push_back('%');
  return text;
}

Result<Text> pad_field(Runtime& runtime, const Text& prefix, const Text& text, int64_t width, const Text& fill,
                       char align) {
  if (align == '=') {
    const int64_t rest = width - static_cast<int64_t>(count_code_points(prefix.bytes()));
    SAIN_ASSIGN_OR_RETURN(const Text padded, pad(runtime, text, rest, fill, Align::kRight));
    Text result = prefix;
    result.append(padded);
    return result;
  }
  Text whole = prefix;
  whole.append(text);
  if (align != '^') return pad(runtime, whole, width, fill, align == '<' ? Align::kLeft : Align::kRight);
  // Unlike str.center(), a format puts the odd one on the right.
  const auto size = static_cast<int64_t>(count_code_points(whole.bytes()));
  const int64_t before = width > size ? (width - size) / 2 : 0;
  SAIN_ASSIGN_OR_RETURN(const Text left, pad(runtime, whole, size + before, fill, Align::kRight));
  return pad(runtime, left, width, fill, Align::kLeft);
}

double round_float(double number, int n_digits) {
  if (!std::isfinite(number)) return number;
  if (n_digits > 323) return number;
  if (n_digits < 0) {
    // Exact: the number's own decimal digits are cut, as one decides by them.
    const double unit = std::pow(10.0, -n_digits);
    if (!std::isfinite(unit)) return std::copysign(0.0, number);
    return std::nearbyint(number / unit) * unit;
  }
  char buffer[720];
  std::snprintf(buffer, sizeof buffer, "%.*f", n_digits, number);
  return std::strtod(buffer, nullptr);
}

}  // namespace sain::formats::jinja
