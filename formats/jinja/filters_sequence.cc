#include <algorithm>

#include "formats/jinja/filters.h"
#include "formats/jinja/methods.h"
#include "formats/jinja/operators.h"
#include "formats/jinja/text_operations.h"
#include "formats/jinja/to_text.h"

namespace sain::formats::jinja {
namespace {

Result<Value> length_filter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_RETURN_IF_ERROR(bind("length", arguments, {}));
  SAIN_ASSIGN_OR_RETURN(const int64_t n, length(runtime, input));
  return Value(n);
}

Result<Value> first(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_RETURN_IF_ERROR(bind("first", arguments, {}));
  if (input.text() != nullptr) return get_item(runtime, input, Value(int64_t{0}));
  SAIN_ASSIGN_OR_RETURN(const auto items, iterate(runtime, input));
  return items->items.empty() ? Value() : items->items.front();
}

Result<Value> last(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_RETURN_IF_ERROR(bind("last", arguments, {}));
  if (input.text() != nullptr) return get_item(runtime, input, Value(int64_t{-1}));
  const Sequence* sequence = input.sequence();
  if (sequence != nullptr && sequence->kind == Sequence::Kind::kIterator) return type_error("a list to reverse", input);
  SAIN_ASSIGN_OR_RETURN(const auto items, iterate(runtime, input));
  return items->items.empty() ? Value() : items->items.back();
}

Result<Value> list(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_RETURN_IF_ERROR(bind("list", arguments, {}));
  SAIN_ASSIGN_OR_RETURN(const auto items, iterate(runtime, input));
  SAIN_RETURN_IF_ERROR(runtime.charge_items_scan(items->items.size()));
  return runtime.make_list(items->items);
}

Result<Value> items_filter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_RETURN_IF_ERROR(bind("items", arguments, {}));
  Values pairs;
  if (const Dict* dict = input.dict()) {
    for (const auto& [key, value] : dict->entries) {
      SAIN_ASSIGN_OR_RETURN(Value pair, runtime.make_tuple({key, value}));
      pairs.push_back(std::move(pair));
    }
  } else if (!input.is_undefined()) {
    return type_error("a dict", input);
  }
  return runtime.make_iterator(std::move(pairs));
}

/// The sort keys of items: each followed to `attribute` (several, separated by commas, give a list), case folded.
Result<Values> sort_keys(Runtime& runtime, const Values& items, const Value* attribute, bool case_sensitive) {
  std::vector<Value> paths;
  if (attribute != nullptr && attribute->text() != nullptr) {
    const Text comma(",", Trust::kTemplate);
    SAIN_ASSIGN_OR_RETURN(std::vector<Text> parts, split(runtime, *attribute->text(), &comma, -1, From::kLeft));
    for (Text& part : parts) {
      SAIN_ASSIGN_OR_RETURN(Value path, runtime.make_text(std::move(part)));
      paths.push_back(std::move(path));
    }
  } else {
    paths.push_back(attribute == nullptr ? Value(None{}) : *attribute);
  }
  Values keys;
  for (const Value& item : items) {
    Values parts;
    for (const Value& path : paths) {
      SAIN_ASSIGN_OR_RETURN(Value key, follow_attribute(runtime, item, &path));
      if (!case_sensitive) {
        SAIN_ASSIGN_OR_RETURN(key, fold_case(runtime, key));
      }
      parts.push_back(std::move(key));
    }
    SAIN_ASSIGN_OR_RETURN(Value key, runtime.make_list(std::move(parts)));
    keys.push_back(std::move(key));
  }
  return keys;
}

Result<Value> sort(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("sort", arguments, {"reverse", "case_sensitive", "attribute"}));
  SAIN_ASSIGN_OR_RETURN(const auto items, iterate(runtime, input));
  SAIN_ASSIGN_OR_RETURN(const Values keys, sort_keys(runtime, items->items, bound[2], flag(bound[1])));
  SAIN_ASSIGN_OR_RETURN(Values sorted, sort_by_keys(runtime, items->items, keys, flag(bound[0])));
  return runtime.make_list(std::move(sorted));
}

Result<Value> dictsort(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("dictsort", arguments, {"case_sensitive", "by", "reverse"}));
  size_t part = 0;
  if (bound[1] != nullptr) {
    SAIN_ASSIGN_OR_RETURN(const Text* by, text_argument(bound[1]));
    if (by->bytes() != "key" && by->bytes() != "value") return template_error("dictsort sorts by 'key' or 'value'");
    part = by->bytes() == "value" ? 1 : 0;
  }
  if (input.dict() == nullptr) return type_error("a dict", input);
  Values pairs;
  Values keys;
  for (const auto& [key, value] : input.dict()->entries) {
    SAIN_ASSIGN_OR_RETURN(Value pair, runtime.make_tuple({key, value}));
    pairs.push_back(std::move(pair));
    Value sort_key = part == 0 ? key : value;
    if (!flag(bound[0])) {
      SAIN_ASSIGN_OR_RETURN(sort_key, fold_case(runtime, sort_key));
    }
    keys.push_back(std::move(sort_key));
  }
  SAIN_ASSIGN_OR_RETURN(Values sorted, sort_by_keys(runtime, pairs, keys, flag(bound[2])));
  return runtime.make_list(std::move(sorted));
}

/// The key that unique, min, max and groupby compare items by.
Result<Value> key_of(Runtime& runtime, const Value& item, const Value* attribute, bool case_sensitive,
                     const Value* fallback = nullptr) {
  SAIN_ASSIGN_OR_RETURN(const Value key, follow_attribute(runtime, item, attribute, fallback));
  return case_sensitive ? Result<Value>(key) : fold_case(runtime, key);
}

Result<Value> unique(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("unique", arguments, {"case_sensitive", "attribute"}));
  SAIN_ASSIGN_OR_RETURN(const auto items, iterate(runtime, input));
  Values seen;
  Values result;
  for (const Value& item : items->items) {
    SAIN_ASSIGN_OR_RETURN(Value key, key_of(runtime, item, bound[1], flag(bound[0])));
    SAIN_RETURN_IF_ERROR(check_hashable(runtime, key));
    bool known = false;
    for (size_t i = 0; i < seen.size() && !known; ++i) {
      SAIN_ASSIGN_OR_RETURN(known, equals(runtime, seen[i], key));
    }
    if (known) continue;
    seen.push_back(std::move(key));
    result.push_back(item);
  }
  return runtime.make_iterator(std::move(result));
}

enum class Extreme { kMin, kMax };
template <Extreme kExtreme>
Result<Value> extreme(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("min and max", arguments, {"case_sensitive", "attribute"}));
  SAIN_ASSIGN_OR_RETURN(const auto items, iterate(runtime, input));
  if (items->items.empty()) return Value();
  const Value* best = &items->items[0];
  SAIN_ASSIGN_OR_RETURN(Value best_key, key_of(runtime, *best, bound[1], flag(bound[0])));
  for (size_t i = 1; i < items->items.size(); ++i) {
    SAIN_ASSIGN_OR_RETURN(Value key, key_of(runtime, items->items[i], bound[1], flag(bound[0])));
    SAIN_ASSIGN_OR_RETURN(const bool better,
                          kExtreme == Extreme::kMin ? less(runtime, key, best_key) : less(runtime, best_key, key));
    if (!better) continue;
    best = &items->items[i];
    best_key = std::move(key);
  }
  return *best;
}

Result<Value> sum(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("sum", arguments, {"attribute", "start"}));
  SAIN_ASSIGN_OR_RETURN(const auto items, iterate(runtime, input));
  Value total = bound[1] == nullptr ? Value(int64_t{0}) : *bound[1];
  if (total.text() != nullptr) return template_error("sum() does not add strings; join() does");
  for (const Value& item : items->items) {
    SAIN_ASSIGN_OR_RETURN(const Value part, follow_attribute(runtime, item, bound[0]));
    SAIN_ASSIGN_OR_RETURN(total, arithmetic(runtime, Operator::kAdd, total, part));
  }
  return total;
}

Result<Value> reverse(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_RETURN_IF_ERROR(bind("reverse", arguments, {}));
  if (input.text() != nullptr) return slice(runtime, input, Value(None{}), Value(None{}), Value(int64_t{-1}));
  const Sequence* sequence = input.sequence();
  const bool is_iterator = sequence != nullptr && sequence->kind == Sequence::Kind::kIterator;
  SAIN_ASSIGN_OR_RETURN(const auto items, iterate(runtime, input));
  SAIN_RETURN_IF_ERROR(runtime.charge_items_scan(items->items.size()));
  Values reversed(items->items.rbegin(), items->items.rend());
  return is_iterator ? runtime.make_list(std::move(reversed)) : runtime.make_iterator(std::move(reversed));
}

Result<Value> batch(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("batch", arguments, {"linecount", "fill_with"}, 1));
  SAIN_ASSIGN_OR_RETURN(const int64_t line_count, integer_or(bound[0], 1));
  SAIN_ASSIGN_OR_RETURN(const auto items, iterate(runtime, input));
  const size_t size = line_count > 0 ? static_cast<size_t>(line_count) : 0;
  if (size == 0) return template_error("batch() of {} items", line_count);
  const bool fills = bound[1] != nullptr && !bound[1]->is_none();
  Values batches;
  for (size_t begin = 0; begin < items->items.size(); begin += size) {
    const size_t end = std::min(items->items.size(), begin + std::min(size, items->items.size()));
    const auto iterator = items->items.begin();
    Values part(iterator + static_cast<std::ptrdiff_t>(begin), iterator + static_cast<std::ptrdiff_t>(end));
    if (fills && part.size() < size) {
      SAIN_RETURN_IF_ERROR(runtime.charge_memory(size, sizeof(Value)));
      part.resize(size, *bound[1]);
    }
    SAIN_ASSIGN_OR_RETURN(Value value, runtime.make_list(std::move(part)));
    batches.push_back(std::move(value));
    if (end == items->items.size()) break;
  }
  return runtime.make_iterator(std::move(batches));
}

Result<Value> slice_filter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("slice", arguments, {"slices", "fill_with"}, 1));
  SAIN_ASSIGN_OR_RETURN(const int64_t count, integer_or(bound[0], 1));
  SAIN_ASSIGN_OR_RETURN(const auto items, iterate(runtime, input));
  if (count == 0) return template_error("slice() into no slices");
  const size_t n_slices = count > 0 ? static_cast<size_t>(count) : 0;
  SAIN_RETURN_IF_ERROR(runtime.charge_memory(n_slices, sizeof(Sequence)));
  const bool fills = bound[1] != nullptr && !bound[1]->is_none();
  const size_t size = n_slices == 0 ? 0 : items->items.size() / n_slices;
  const size_t n_longer = n_slices == 0 ? 0 : items->items.size() % n_slices;
  Values slices;
  auto begin = items->items.begin();
  for (size_t i = 0; i < n_slices; ++i) {
    const auto end = begin + static_cast<std::ptrdiff_t>(size + (i < n_longer ? 1 : 0));
    Values part(begin, end);
    if (fills && i >= n_longer) part.push_back(*bound[1]);
    SAIN_ASSIGN_OR_RETURN(Value value, runtime.make_list(std::move(part)));
    slices.push_back(std::move(value));
    begin = end;
  }
  return runtime.make_iterator(std::move(slices));
}

Result<Value> groupby(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("groupby", arguments, {"attribute", "default", "case_sensitive"}, 1));
  SAIN_ASSIGN_OR_RETURN(const auto items, iterate(runtime, input));
  Values keys;
  for (const Value& item : items->items) {
    SAIN_ASSIGN_OR_RETURN(Value key, key_of(runtime, item, bound[0], flag(bound[2]), bound[1]));
    keys.push_back(std::move(key));
  }
  SAIN_ASSIGN_OR_RETURN(const Values sorted, sort_by_keys(runtime, items->items, keys, false));
  SAIN_ASSIGN_OR_RETURN(const Values sorted_keys, sort_by_keys(runtime, keys, keys, false));
  Values groups;
  for (size_t begin = 0; begin < sorted.size();) {
    Values members;
    size_t end = begin;
    for (bool equal = true; equal && end < sorted.size();) {
      members.push_back(sorted[end++]);
      if (end == sorted.size()) break;
      SAIN_ASSIGN_OR_RETURN(equal, equals(runtime, sorted_keys[begin], sorted_keys[end]));
    }
    // The name of a group is its first member's own, whatever case the others have.
    SAIN_ASSIGN_OR_RETURN(Value name, follow_attribute(runtime, members[0], bound[0], bound[1]));
    SAIN_ASSIGN_OR_RETURN(Value group, runtime.make_list(std::move(members)));
    SAIN_ASSIGN_OR_RETURN(Value pair,
                          runtime.make_sequence(Sequence::Kind::kGroup, {std::move(name), std::move(group)}));
    groups.push_back(std::move(pair));
    begin = end;
  }
  return runtime.make_list(std::move(groups));
}

Result<Value> join_filter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("join", arguments, {"d", "attribute"}));
  Text separator;
  if (bound[0] != nullptr) {
    SAIN_ASSIGN_OR_RETURN(separator, to_text(runtime, *bound[0]));
  }
  SAIN_ASSIGN_OR_RETURN(const auto items, iterate(runtime, input));
  std::vector<Text> parts;
  for (const Value& item : items->items) {
    SAIN_ASSIGN_OR_RETURN(const Value value, follow_attribute(runtime, item, bound[1]));
    SAIN_ASSIGN_OR_RETURN(Text text, to_text(runtime, value));
    parts.push_back(std::move(text));
  }
  SAIN_ASSIGN_OR_RETURN(Text joined, join(runtime, parts, separator));
  return runtime.make_text(std::move(joined));
}

Result<Value> default_filter(Runtime&, const Value& input, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("default", arguments, {"default_value", "boolean"}));
  static const Value kEmpty(std::make_shared<const Text>());
  const bool missing = input.is_undefined() || (flag(bound[1]) && !truthy(input));
  if (!missing) return input;
  return bound[0] == nullptr ? kEmpty : *bound[0];
}

Result<Value> attr(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("attr", arguments, {"name"}, 1));
  SAIN_ASSIGN_OR_RETURN(const Text* name, text_argument(bound[0]));
  if (input.dict() != nullptr && find_method(input, name->bytes()) == nullptr)
    return Value();  // items are no attributes
  SAIN_ASSIGN_OR_RETURN(const Value value, get_attribute(runtime, input, name->bytes()));
  return value.is_undefined() ? Value() : value;
}

}  // namespace

Filter find_sequence_filter(std::string_view name) {
  static constexpr std::pair<std::string_view, Filter> kFilters[] = {
      {"attr", attr},
      {"batch", batch},
      {"count", length_filter},
      {"d", default_filter},
      {"default", default_filter},
      {"dictsort", dictsort},
      {"first", first},
      {"groupby", groupby},
      {"items", items_filter},
      {"join", join_filter},
      {"last", last},
      {"length", length_filter},
      {"list", list},
      {"max", extreme<Extreme::kMax>},
      {"min", extreme<Extreme::kMin>},
      {"reverse", reverse},
      {"slice", slice_filter},
      {"sort", sort},
      {"sum", sum},
      {"unique", unique},
  };
  const auto* const found =
      std::find_if(std::begin(kFilters), std::end(kFilters), [&](const auto& entry) { return entry.first == name; });
  return found == std::end(kFilters) ? nullptr : found->second;
}

}  // namespace sain::formats::jinja
