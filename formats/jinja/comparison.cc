#include <algorithm>
#include <cmath>
#include <cstring>

#include "formats/jinja/operators.h"

namespace sain::formats::jinja {
namespace {

/// -1, 0, 1, or 2 if one is not a number. long double holds every 64-bit integer and every double exactly.
int order_numbers(const Value& left, const Value& right) {
  const auto exact = [](const Value& value) {
    const auto integer = value.integer();
    return integer ? static_cast<long double>(*integer) : static_cast<long double>(*value.number());
  };
  const long double a = exact(left);
  const long double b = exact(right);
  if (std::isnan(a) || std::isnan(b)) return 2;
  return a < b ? -1 : a > b ? 1 : 0;
}

bool same_kind(const Sequence& left, const Sequence& right) {
  return left.kind == right.kind || (left.is_tuple() && right.is_tuple());
}

Result<bool> equal_dicts(Runtime& runtime, const Dict& left, const Dict& right) {
  if (left.entries.size() != right.entries.size()) return false;
  for (const auto& [key, value] : left.entries) {
    SAIN_ASSIGN_OR_RETURN(const Value* other, find_key(runtime, right, key));
    if (other == nullptr) return false;
    SAIN_ASSIGN_OR_RETURN(const bool equal, equals(runtime, value, *other));
    if (!equal) return false;
  }
  return true;
}

Result<bool> equal_sequences(Runtime& runtime, const Sequence& left, const Sequence& right) {
  if (left.kind == Sequence::Kind::kIterator) return &left == &right;
  if (!same_kind(left, right) || left.items.size() != right.items.size()) return false;
  for (size_t i = 0; i < left.items.size(); ++i) {
    SAIN_ASSIGN_OR_RETURN(const bool equal, equals(runtime, left.items[i], right.items[i]));
    if (!equal) return false;
  }
  return true;
}

}  // namespace

Result<bool> equals(Runtime& runtime, const Value& left, const Value& right) {
  SAIN_RETURN_IF_ERROR(runtime.charge_steps(1));
  if (left.is_number() && right.is_number()) return order_numbers(left, right) == 0;
  if (left.data().index() != right.data().index()) return false;
  if (left.is_undefined() || left.is_none()) return true;
  if (left.text() != nullptr) {
    SAIN_RETURN_IF_ERROR(runtime.charge_text_scan(std::min(left.text()->size(), right.text()->size())));
    return left.text()->bytes() == right.text()->bytes();
  }
  if (left.sequence() != nullptr) return equal_sequences(runtime, *left.sequence(), *right.sequence());
  if (left.dict() != nullptr) return equal_dicts(runtime, *left.dict(), *right.dict());
  return left.object() == right.object();
}

Result<bool> less(Runtime& runtime, const Value& left, const Value& right) {
  SAIN_RETURN_IF_ERROR(runtime.charge_steps(1));
  if (left.is_number() && right.is_number()) return order_numbers(left, right) == -1;
  if (left.text() != nullptr && right.text() != nullptr) {
    SAIN_RETURN_IF_ERROR(runtime.charge_text_scan(std::min(left.text()->size(), right.text()->size())));
    return left.text()->bytes() < right.text()->bytes();
  }
  const Sequence* a = left.sequence();
  const Sequence* b = right.sequence();
  const auto ordered = [](const Sequence* s) {
    return s != nullptr && (s->kind == Sequence::Kind::kList || s->is_tuple());
  };
  if (!ordered(a) || !ordered(b) || !same_kind(*a, *b)) {
    if (left.is_undefined()) return type_error("a value to compare", left);
    if (right.is_undefined()) return type_error("a value to compare", right);
    return template_error("{} and {} have no order", type_name(left), type_name(right));
  }
  for (size_t i = 0; i < std::min(a->items.size(), b->items.size()); ++i) {
    SAIN_ASSIGN_OR_RETURN(const bool equal, equals(runtime, a->items[i], b->items[i]));
    if (!equal) return less(runtime, a->items[i], b->items[i]);
  }
  return a->items.size() < b->items.size();
}

Result<bool> compare(Runtime& runtime, Comparison comparison, const Value& left, const Value& right) {
  const auto inverted = [](Result<bool> result) -> Result<bool> {
    if (!result) return result;
    return !*result;
  };
  // `not (b < a)` is not `a <= b` where one is not a number.
  const bool nan = left.is_number() && right.is_number() && order_numbers(left, right) == 2;
  switch (comparison) {
    case Comparison::kEqual:
      return equals(runtime, left, right);
    case Comparison::kNotEqual:
      return inverted(equals(runtime, left, right));
    case Comparison::kLess:
      return less(runtime, left, right);
    case Comparison::kLessEqual:
      return nan ? Result<bool>(false) : inverted(less(runtime, right, left));
    case Comparison::kGreater:
      return less(runtime, right, left);
    case Comparison::kGreaterEqual:
      return nan ? Result<bool>(false) : inverted(less(runtime, left, right));
    case Comparison::kIn:
      return contains(runtime, right, left);
    case Comparison::kNotIn:
      return inverted(contains(runtime, right, left));
  }
  return false;
}

Result<bool> contains(Runtime& runtime, const Value& container, const Value& item) {
  if (const Text* text = container.text()) {
    if (item.text() == nullptr) return type_error("a string to look for in a string", item);
    SAIN_RETURN_IF_ERROR(runtime.charge_text_scan(text->size()));
    return find_bytes(text->bytes(), item.text()->bytes()) != std::string::npos;
  }
  if (const Dict* dict = container.dict()) {
    SAIN_RETURN_IF_ERROR(check_hashable(runtime, item));
    SAIN_ASSIGN_OR_RETURN(const Value* found, find_key(runtime, *dict, item));
    return found != nullptr;
  }
  SAIN_ASSIGN_OR_RETURN(const auto sequence, iterate(runtime, container));
  for (const Value& candidate : sequence->items) {
    SAIN_ASSIGN_OR_RETURN(const bool equal, equals(runtime, candidate, item));
    if (equal) return true;
  }
  return false;
}

bool same(const Value& left, const Value& right) {
  if (left.data().index() != right.data().index()) return false;
  if (left.sequence() != nullptr) return left.sequence() == right.sequence();
  if (left.dict() != nullptr) return left.dict() == right.dict();
  if (left.object() != nullptr) return left.object() == right.object();
  if (left.text() != nullptr) return left.text() == right.text() || left.text()->bytes() == right.text()->bytes();
  return left.is_number() ? order_numbers(left, right) == 0 : !left.is_undefined();
}

Status check_hashable(Runtime& runtime, const Value& key) {
  SAIN_RETURN_IF_ERROR(runtime.charge_steps(1));
  const Sequence* sequence = key.sequence();
  if (sequence != nullptr && sequence->is_tuple()) {
    for (const Value& item : sequence->items) SAIN_RETURN_IF_ERROR(check_hashable(runtime, item));
    return {};
  }
  const bool unhashable = key.dict() != nullptr || (sequence != nullptr && sequence->kind == Sequence::Kind::kList);
  if (unhashable) return template_error("a {} cannot be a key", type_name(key));
  return {};
}

Result<const Value*> find_key(Runtime& runtime, const Dict& dict, const Value& key) {
  const Text* text = key.text();
  const size_t n_blocks = text == nullptr ? 1 : 1 + text->size() / 64;  // long keys take long to compare
  SAIN_RETURN_IF_ERROR(runtime.charge_items_scan(dict.entries.size() * n_blocks));
  if (text != nullptr) return dict.find(text->bytes());
  for (const auto& [candidate, value] : dict.entries) {
    SAIN_ASSIGN_OR_RETURN(const bool equal, equals(runtime, candidate, key));
    if (equal) return &value;
  }
  return static_cast<const Value*>(nullptr);
}

size_t find_bytes(std::string_view text, std::string_view needle, size_t from) {
  if (from > text.size()) return std::string_view::npos;
  if (needle.empty()) return from;
  const void* found = memmem(text.data() + from, text.size() - from, needle.data(), needle.size());
  if (found == nullptr) return std::string_view::npos;
  return static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

}  // namespace sain::formats::jinja
