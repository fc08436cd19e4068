#include "formats/json_schema/grammar_text.h"

#include <fmt/format.h>

namespace sain::formats {
namespace {

/// Surrogates come in pairs, so that what is written is a character.
constexpr std::string_view kJson = R"-(
ws ::= (" " | "\n" [ \t]{0,24})?
colon ::= ":" " "?
comma ::= "," ws
hex ::= [0-9a-fA-F]
plain ::= [^"\\\x00-\x1F]
char ::= plain | "\\" (["\\/bfnrt] | "u" (
    [0-9a-cA-CefEF] hex{3} | [dD] [0-7] hex{2} | [dD] [89abAB] hex{2} "\\u" [dD] [c-fC-F] hex{2}))
fraction ::= "." [0-9]{1,16}
string ::= "\"" char* "\""
integer ::= "-"? ("0" | [1-9] [0-9]{0,15})
number ::= integer fraction? ([eE] [-+]? [0-9]{1,2})?
boolean ::= "true" | "false"
value ::= object | array | string | number | boolean | "null"
object ::= "{" ws (string colon value (comma string colon value)* ws)? "}"
array ::= "[" ws (value (comma value)* ws)? "]"
)-";

}  // namespace

std::string GrammarText::add(std::string body) {
  const auto known = names_.find(body);
  if (known != names_.end()) return known->second;
  const std::string name = reserve();
  define(name, body);
  names_.emplace(std::move(body), name);
  return name;
}

std::string GrammarText::reserve() {
  return fmt::format("r{}", n_rules_++);
}

void GrammarText::define(const std::string& name, std::string_view body) {
  text_ += fmt::format("{} ::= {}\n", name, body);
}

std::string GrammarText::finish(std::string_view root) const {
  return fmt::format("root ::= {}\n{}{}", root, text_, kJson);
}

std::string literal(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < ' ') {
      quoted += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
    } else {
      if (c == '"' || c == '\\') quoted += '\\';
      quoted += c;
    }
  }
  return quoted + '"';
}

std::string bracketed(const CodePointSet& set) {
  std::string text = "[";
  for (const CodePointSet::Range& range : set.ranges()) {
    text += fmt::format("\\U{:08x}", range.low);
    if (range.high > range.low) text += fmt::format("-\\U{:08x}", range.high);
  }
  return text + ']';
}

std::string any_of(const std::vector<std::string>& alternatives) {
  return fmt::format("({})", fmt::join(alternatives, " | "));
}

}  // namespace sain::formats
