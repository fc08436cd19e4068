// A regular expression over the characters of a JSON string, as grammar.
#pragma once

#include <string>
#include <string_view>

#include "formats/json_schema/grammar_text.h"
#include "formats/result.h"

namespace sain::formats {

/// What stands between the quotes of a JSON string whose value matches `pattern` as ECMA-262 means it in JSON Schema:
/// anywhere, unless `^` and `$` stand at the ends of the whole or of one of its alternatives. Known are characters,
/// `.`, sets, \d \w \s and their opposites, escapes of characters, groups, alternatives, and repetition, greedy or not
/// (which makes no difference here). Characters that JSON has to escape come out escaped. Errors: kUnsupported (looking
/// around, back references, \b, properties of Unicode, anchors elsewhere), kInvalidArgument (not a regular expression);
/// both say where in the pattern.
Result<std::string> pattern_expression(std::string_view pattern);

}  // namespace sain::formats
