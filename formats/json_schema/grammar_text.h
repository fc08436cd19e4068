// A grammar's text in the making.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/grammar/code_point_set.h"

namespace sain::formats {

/// Rules with names of their own, beside those for JSON in general: ws, colon, comma, char (one character of a string),
/// plain (one without a backslash), hex, fraction, string, integer, number, boolean, value, object, array.
class GrammarText {
 public:
  /// The name of a rule with this body. Equal bodies are one rule, so what is known of one serves all.
  std::string add(std::string body);

  /// A rule that is called before it is defined.
  std::string reserve();
  void define(const std::string& name, std::string_view body);

  size_t size() const { return text_.size(); }  // bytes so far
  /// The whole, where texts begin with the rule `root`.
  std::string finish(std::string_view root) const;

 private:
  std::map<std::string, std::string> names_;  // by body
  std::string text_;
  size_t n_rules_ = 0;
};

/// `text` as a literal, in quotes.
std::string literal(std::string_view text);

/// `set` in brackets; it must not be empty.
std::string bracketed(const CodePointSet& set);

/// `alternatives` in parentheses, with `|` between them.
std::string any_of(const std::vector<std::string>& alternatives);

}  // namespace sain::formats
