// Jinja source to tokens, with the white space rules of trim_blocks and lstrip_blocks (as chat templates expect).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "formats/result.h"

namespace sain::formats::jinja {

struct Token {
  enum class Kind {
    kData,           // text between the tags, white space already taken off
    kVariableBegin,  // {{
    kVariableEnd,    // }}
    kBlockBegin,     // {%
    kBlockEnd,       // %}
    kName,
    kString,   // text: its value, escapes resolved
    kInteger,  // integer
    kFloat,    // number
    kOperator,
    kEnd,
  };
  Kind kind = Kind::kEnd;
  uint32_t line = 0;
  std::string text;  // as written, but for kString
  int64_t integer = 0;
  double number = 0;

  bool is_name(std::string_view name) const { return kind == Kind::kName && text == name; }
  bool is_operator(std::string_view op) const { return kind == Kind::kOperator && text == op; }
  /// For messages: "'foo'", "end of the template".
  std::string describe() const;
};

/// The tokens of `source`, ended by a kEnd. Errors: kCorrupt, with the line.
Result<std::vector<Token>> tokenize(std::string_view source);

/// A failure at a line of the template.
template <class... Args>
[[nodiscard]] Error syntax_error(uint32_t line, fmt::format_string<Args...> format, Args&&... args) {
  return make_error(ErrorCode::kCorrupt, "line {}: {}", line, fmt::format(format, std::forward<Args>(args)...));
}

/// The value of a string literal's inside (Python's escapes). Errors: a broken escape.
Result<std::string> unescape(std::string_view inside, uint32_t line);

}  // namespace sain::formats::jinja
