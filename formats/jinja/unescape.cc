#include <algorithm>

#include "formats/jinja/lexer.h"
#include "formats/jinja/unicode.h"

namespace sain::formats::jinja {
namespace {

/// The value of up to `n_max` digits of `base` at the head of `text`, and how many there are.
struct Digits {
  uint32_t value = 0;
  size_t count = 0;
};
Digits read_digits(std::string_view text, uint32_t base, size_t n_max) {
  Digits result;
  for (; result.count < std::min(n_max, text.size()); ++result.count) {
    const char c = text[result.count];
    const char lower = static_cast<char>(c | 0x20);
    const int digit = c >= '0' && c <= '9' ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 99;
    if (digit >= static_cast<int>(base)) break;
    result.value = result.value * base + static_cast<uint32_t>(digit);
  }
  return result;
}

}  // namespace

Result<std::string> unescape(std::string_view inside, uint32_t line) {
  static constexpr std::string_view kLetters = "\\'\"abfnrtv";
  static constexpr std::string_view kValues = "\\'\"\a\b\f\n\r\t\v";
  std::string out;
  for (size_t i = 0; i < inside.size();) {
    if (inside[i] != '\\') {
      out.push_back(inside[i++]);
      continue;
    }
    const CodePoint escape = decode_at(inside, i + 1);  // the lexer leaves no backslash at the end
    const char letter = static_cast<char>(escape.value < 0x80 ? escape.value : 0);
    i += 1 + escape.n_bytes;
    if (const size_t simple = letter == 0 ? std::string_view::npos : kLetters.find(letter);
        simple != std::string_view::npos) {
      out.push_back(kValues[simple]);
    } else if (letter == '\n') {
      // an escaped line end joins the lines
    } else if (letter >= '0' && letter <= '7') {
      const Digits octal = read_digits(inside.substr(i - 1), 8, 3);
      append_utf8(out, octal.value);
      i += octal.count - 1;
    } else if (letter == 'x' || letter == 'u' || letter == 'U') {
      const size_t n_digits = letter == 'x' ? 2 : letter == 'u' ? 4 : 8;
      const Digits hex = read_digits(inside.substr(i), 16, n_digits);
      if (hex.count < n_digits) return syntax_error(line, "expected {} hex digits after '\\{}'", n_digits, letter);
      const bool surrogate = hex.value >= 0xD800 && hex.value < 0xE000;
      if (hex.value > 0x10FFFF || surrogate) return syntax_error(line, "'\\{}{:x}' is no character", letter, hex.value);
      append_utf8(out, hex.value);
      i += n_digits;
    } else if (letter == 'N') {
      return make_error(ErrorCode::kUnsupported, "line {}: '\\N{{...}}' in a string", line);
    } else if (escape.value < 0x80) {
      out.push_back('\\');
      out.push_back(letter);
    } else {  // the reference implementation turns the character into an escape, whose backslash is then escaped
      out.append(escape.value < 0x100     ? fmt::format("\\x{:02x}", escape.value)
                 : escape.value < 0x10000 ? fmt::format("\\u{:04x}", escape.value)
                                          : fmt::format("\\U{:08x}", escape.value));
    }
  }
  return out;
}

}  // namespace sain::formats::jinja
