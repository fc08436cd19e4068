// Python's operators on values.
#pragma once

#include <optional>

#include "formats/jinja/ast.h"
#include "formats/jinja/runtime.h"

namespace sain::formats::jinja {

/// left <op> right. Errors: types that do not go together, division by zero, integers beyond 64 bits.
Result<Value> arithmetic(Runtime& runtime, Operator op, const Value& left, const Value& right);
Result<Value> negate(const Value& operand);

/// left == right: false, never an error, for types that do not go together.
Result<bool> equals(Runtime& runtime, const Value& left, const Value& right);
/// left < right. Errors: types without an order.
Result<bool> less(Runtime& runtime, const Value& left, const Value& right);
/// `item in container`. Errors: what cannot contain.
Result<bool> contains(Runtime& runtime, const Value& container, const Value& item);
Result<bool> compare(Runtime& runtime, Comparison comparison, const Value& left, const Value& right);
/// `left is right`: the same object.
bool same(const Value& left, const Value& right);

/// The items that a for loop would see: a dict's keys, a string's characters; nothing for an Undefined. An iterator is
/// used up by it. Errors: what cannot be iterated over.
Result<std::shared_ptr<const Sequence>> iterate(Runtime& runtime, const Value& value);
/// len(value).
Result<int64_t> length(Runtime& runtime, const Value& value);
/// value[begin:end:step], each part None where absent.
Result<Value> slice(Runtime& runtime, const Value& value, const Value& begin, const Value& end, const Value& step);
/// value[index] alone, without a fallback to attributes: nullopt where Python raises TypeError or LookupError.
Result<std::optional<Value>> item(Runtime& runtime, const Value& value, const Value& index);

/// Errors unless `key` can be a dict's key.
Status check_hashable(Runtime& runtime, const Value& key);
/// Finds any kind of key. nullptr if there is none.
Result<const Value*> find_key(Runtime& runtime, const Dict& dict, const Value& key);

/// text with &, <, >, ' and " as HTML writes them; as markup.
Result<Text> escape_html(Runtime& runtime, const Text& text);

/// where `needle` is in `text` from byte `from` on, in linear time; npos if nowhere.
size_t find_bytes(std::string_view text, std::string_view needle, size_t from = 0);

}  // namespace sain::formats::jinja
