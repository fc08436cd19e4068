// Numbers as Python's `%` operator and str.format() write them.
#pragma once

#include <cstdint>
#include <string>

#include "formats/jinja/runtime.h"

namespace sain::formats::jinja {

/// What a format asks of one number.
struct NumberStyle {
  char type = 'd';         // d b o x X for integers, e E f F g G % for floats
  char sign = '-';         // '+': also for positive numbers; ' ': a space for those
  bool alternate = false;  // '#'
  int64_t precision = -1;  // digits, -1 if not given
  char grouping = '\0';    // ',' or '_' between thousands
};

/// A number's text, apart where zeros may be filled in between.
struct NumberText {
  std::string prefix;  // sign and 0x
  std::string digits;
};

Result<NumberText> format_integer(int64_t number, const NumberStyle& style);
Result<NumberText> format_float(double number, const NumberStyle& style);

/// The padded field of a format: `text` in at least `width` code points. '=' aligns like '>' with the fill after
/// prefix.
Result<Text> pad_field(Runtime& runtime, const Text& prefix, const Text& text, int64_t width, const Text& fill,
                       char align);

}  // namespace sain::formats::jinja
