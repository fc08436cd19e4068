#include "formats/jinja/filters.h"

#include <algorithm>

#include "formats/jinja/methods.h"
#include "formats/jinja/operators.h"
#include "formats/jinja/text_operations.h"

namespace sain::formats::jinja {

Filter find_filter(std::string_view name) {
  for (const auto find : {find_text_filter, find_sequence_filter, find_selection_filter, find_number_filter}) {
    if (const Filter filter = find(name)) return filter;
  }
  return nullptr;
}

Result<Value> apply_filter(Runtime& runtime, std::string_view name, const Value& input, const Arguments& arguments) {
  const Filter filter = find_filter(name);
  if (filter == nullptr) return make_error(ErrorCode::kUnsupported, "there is no filter '{}'", name);
  SAIN_RETURN_IF_ERROR(runtime.charge_steps(1));
  return filter(runtime, input, arguments);
}

Result<Value> follow_attribute(Runtime& runtime, const Value& value, const Value* attribute, const Value* fallback) {
  if (attribute == nullptr || attribute->is_none()) return value;
  std::vector<Value> steps;
  if (const Text* path = attribute->text()) {
    const Text dot(".", Trust::kTemplate);
    SAIN_ASSIGN_OR_RETURN(std::vector<Text> parts, split(runtime, *path, &dot, -1, From::kLeft));
    for (Text& part : parts) {
      const std::string& name = part.bytes();
      const bool number = !name.empty() && name.size() < 10 &&
                          std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
      SAIN_ASSIGN_OR_RETURN(
          Value step, number ? Result<Value>(Value(int64_t{std::stoi(name)})) : runtime.make_text(std::move(part)));
      steps.push_back(std::move(step));
    }
  } else {
    steps.push_back(*attribute);
  }
  Value current = value;
  for (const Value& step : steps) {
    SAIN_ASSIGN_OR_RETURN(current, get_item(runtime, current, step));
    if (current.is_undefined() && fallback != nullptr && !fallback->is_none()) current = *fallback;
  }
  return current;
}

Result<Value> fold_case(Runtime& runtime, const Value& value) {
  if (value.text() == nullptr) return value;
  return runtime.make_text(change_case(*value.text(), Casing::kLower));
}

Result<Values> sort_by_keys(Runtime& runtime, const Values& items, const Values& keys, bool reversed) {
  // A merge sort of our own: the comparison can fail, and may be inconsistent (NaN), which std::sort does not allow.
  std::vector<size_t> order(items.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::vector<size_t> merged(order.size());
  for (size_t width = 1; width < order.size(); width *= 2) {
    for (size_t begin = 0; begin < order.size(); begin += 2 * width) {
      const size_t middle = std::min(begin + width, order.size());
      const size_t end = std::min(begin + 2 * width, order.size());
      size_t left = begin;
      size_t right = middle;
      for (size_t i = begin; i < end; ++i) {
        bool take_right = left == middle;
        if (!take_right && right < end) {
          const Value& a = keys[order[left]];
          const Value& b = keys[order[right]];
          SAIN_ASSIGN_OR_RETURN(take_right, reversed ? less(runtime, a, b) : less(runtime, b, a));
        }
        merged[i] = take_right ? order[right++] : order[left++];
      }
    }
    order.swap(merged);
  }
  Values sorted;
  for (const size_t i : order) sorted.push_back(items[i]);
  return sorted;
}

}  // namespace sain::formats::jinja
