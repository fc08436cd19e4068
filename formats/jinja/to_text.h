// Values as text: Python's str() and repr(), and JSON as json.dumps() writes it.
#pragma once

#include <optional>
#include <string>

#include "formats/jinja/runtime.h"

namespace sain::formats::jinja {

/// repr(float): the shortest digits that read back as the same number, laid out as Python does.
std::string float_to_string(double number);

/// str(value); "" for an Undefined. A string keeps its provenance; a list or dict is kTemplate only if all in it is.
Result<Text> to_text(Runtime& runtime, const Value& value);

/// repr(value).
Result<Text> to_repr(Runtime& runtime, const Value& value);

struct JsonStyle {
  bool ensure_ascii = false;
  std::optional<std::string> indent;  // one level's indentation; without it, all on one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool sort_keys = false;
};

/// json.dumps(value). Provenance as for to_text(). Errors: a value that JSON does not have.
Result<Text> to_json(Runtime& runtime, const Value& value, const JsonStyle& style);

}  // namespace sain::formats::jinja
