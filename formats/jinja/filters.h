// Jinja's filters and tests by name.
#pragma once

#include <string_view>

#include "formats/jinja/runtime.h"

namespace sain::formats::jinja {

using Filter = Result<Value> (*)(Runtime&, const Value& input, const Arguments&);
using Test = Result<bool> (*)(Runtime&, const Value& input, const Arguments&);

/// nullptr for an unknown name.
Filter find_filter(std::string_view name);
bool has_test(std::string_view name);

/// input | name(arguments); input is name(arguments). Errors: an unknown name, and what the filter or test refuses.
Result<Value> apply_filter(Runtime& runtime, std::string_view name, const Value& input, const Arguments& arguments);
Result<bool> apply_test(Runtime& runtime, std::string_view name, const Value& input, const Arguments& arguments);

// The parts of find_filter(), one file each; nullptr if the name is not among them.
Filter find_text_filter(std::string_view name);
Filter find_number_filter(std::string_view name);
Filter find_sequence_filter(std::string_view name);
Filter find_selection_filter(std::string_view name);

/// The value that an `attribute` argument ("a.b.0", or a number) leads to; `value` itself if it is null or None.
/// Where a step is missing and there is a `fallback`, that is used.
Result<Value> follow_attribute(Runtime& runtime, const Value& value, const Value* attribute,
                               const Value* fallback = nullptr);

/// A string in lower case, anything else as it is: the key of comparisons that ignore case.
Result<Value> fold_case(Runtime& runtime, const Value& value);

/// Sorts by key, stably, descending if `reversed`. Errors: keys without an order.
Result<Values> sort_by_keys(Runtime& runtime, const Values& items, const Values& keys, bool reversed);

/// Whether a boolean argument was given and is true.
inline bool flag(const Value* argument) {
  return argument != nullptr && truthy(*argument);
}

}  // namespace sain::formats::jinja
