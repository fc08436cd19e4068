#include <algorithm>

#include "formats/jinja/operators.h"
#include "formats/jinja/unicode.h"

namespace sain::formats::jinja {
namespace {

/// Python's slice.indices(): the first index, the number of them, and the step.
struct SliceRange {
  int64_t begin;
  size_t count;
  int64_t step;
  size_t operator[](size_t i) const { return static_cast<size_t>(begin + static_cast<int64_t>(i) * step); }
};

Result<SliceRange> slice_range(int64_t size, const Value& begin, const Value& end, const Value& step) {
  const auto part = [](const Value& value, int64_t fallback) -> Result<int64_t> {
    return value.is_none() ? Result<int64_t>(fallback) : integer_or(&value, fallback);
  };
  SAIN_ASSIGN_OR_RETURN(int64_t by, part(step, 1));
  if (by == 0) return template_error("the step of a slice is zero");
  by = std::clamp(by, -size - 1, size + 1);  // a longer step reaches nothing else
  const int64_t lowest = by < 0 ? -1 : 0;
  const int64_t highest = by < 0 ? size - 1 : size;
  const auto clamp = [&](int64_t index) { return std::clamp(index < 0 ? index + size : index, lowest, highest); };
  SAIN_ASSIGN_OR_RETURN(int64_t first, part(begin, by < 0 ? highest : lowest));
  SAIN_ASSIGN_OR_RETURN(int64_t last, part(end, by < 0 ? lowest : highest));
  if (!begin.is_none()) first = clamp(first);
  if (!end.is_none()) last = clamp(last);
  const int64_t distance = by < 0 ? first - last : last - first;
  const int64_t stride = by < 0 ? -by : by;
  const int64_t count = distance <= 0 ? 0 : (distance - 1) / stride + 1;
  return SliceRange{first, static_cast<size_t>(count), by};
}

}  // namespace

Result<Value> slice(Runtime& runtime, const Value& value, const Value& begin, const Value& end, const Value& step) {
  if (const Text* text = value.text()) {
    SAIN_RETURN_IF_ERROR(runtime.charge_text_scan(text->size()));
    const CodePointIndex index(text->bytes());
    SAIN_ASSIGN_OR_RETURN(const SliceRange range, slice_range(static_cast<int64_t>(index.size()), begin, end, step));
    Text result;
    result.markup = text->markup;
    if (range.step == 1) {
      const size_t first = static_cast<size_t>(range.begin);
      result.append(*text, index.offset(first), index.offset(first + range.count));
      return runtime.make_text(std::move(result));
    }
    SAIN_RETURN_IF_ERROR(runtime.charge_items_scan(range.count));
    for (size_t i = 0; i < range.count; ++i) {
      result.append(*text, index.offset(range[i]), index.offset(range[i] + 1));
    }
    return runtime.make_text(std::move(result));
  }
  const Sequence* sequence = value.sequence();
  if (sequence == nullptr || !sequence->can_be_indexed()) return type_error("something to slice", value);
  SAIN_ASSIGN_OR_RETURN(const SliceRange range,
                        slice_range(static_cast<int64_t>(sequence->items.size()), begin, end, step));
  SAIN_RETURN_IF_ERROR(runtime.charge_items_scan(range.count));
  Values items;
  for (size_t i = 0; i < range.count; ++i) items.push_back(sequence->items[range[i]]);
  const auto kind = sequence->kind == Sequence::Kind::kGroup ? Sequence::Kind::kTuple : sequence->kind;
  return runtime.make_sequence(kind, std::move(items));
}

Result<std::optional<Value>> item(Runtime& runtime, const Value& value, const Value& index) {
  using Found = std::optional<Value>;
  if (value.is_undefined()) return type_error("something with items", value);
  if (const Dict* dict = value.dict()) {
    const Status hashable = check_hashable(runtime, index);
    if (!hashable && hashable.error().code == ErrorCode::kInvalidArgument) return Found();
    SAIN_RETURN_IF_ERROR(hashable);
    SAIN_ASSIGN_OR_RETURN(const Value* found, find_key(runtime, *dict, index));
    return found == nullptr ? Found() : Found(*found);
  }
  const auto integer = index.integer();
  if (!integer) return Found();
  const Text* text = value.text();
  const Sequence* sequence = value.sequence();
  if (text != nullptr) {
    SAIN_RETURN_IF_ERROR(runtime.charge_text_scan(text->size()));
    const CodePointIndex offsets(text->bytes());
    const auto size = static_cast<int64_t>(offsets.size());
    const int64_t i = *integer < 0 ? *integer + size : *integer;
    if (i < 0 || i >= size) return Found();
    const auto at = static_cast<size_t>(i);
    SAIN_ASSIGN_OR_RETURN(Value character, runtime.make_text(text->slice(offsets.offset(at), offsets.offset(at + 1))));
    return Found(std::move(character));
  }
  if (sequence == nullptr || !sequence->can_be_indexed()) return Found();
  const auto size = static_cast<int64_t>(sequence->items.size());
  const int64_t i = *integer < 0 ? *integer + size : *integer;
  if (i < 0 || i >= size) return Found();
  return Found(sequence->items[static_cast<size_t>(i)]);
}

Result<std::shared_ptr<const Sequence>> iterate(Runtime& runtime, const Value& value) {
  Values items;
  if (auto sequence = value.shared<const Sequence>()) {
    if (sequence->kind != Sequence::Kind::kIterator) return sequence;
    if (!std::exchange(sequence->exhausted, true)) return sequence;
  } else if (const Text* text = value.text()) {
    SAIN_RETURN_IF_ERROR(runtime.charge_memory(text->size(), sizeof(Value)));
    for (size_t i = 0; i < text->size();) {
      const size_t n_bytes = decode_at(text->bytes(), i).n_bytes;
      SAIN_ASSIGN_OR_RETURN(Value character, runtime.make_text(text->slice(i, i + n_bytes)));
      items.push_back(std::move(character));
      i += n_bytes;
    }
  } else if (const Dict* dict = value.dict()) {
    SAIN_RETURN_IF_ERROR(runtime.charge_items_scan(dict->entries.size()));
    for (const auto& entry : dict->entries) items.push_back(entry.first);
  } else if (!value.is_undefined()) {
    return type_error("something to iterate over", value);
  }
  SAIN_ASSIGN_OR_RETURN(const Value list, runtime.make_list(std::move(items)));
  return list.shared<const Sequence>();
}

Result<int64_t> length(Runtime& runtime, const Value& value) {
  if (value.is_undefined()) return 0;
  if (const Text* text = value.text()) {
    SAIN_RETURN_IF_ERROR(runtime.charge_text_scan(text->size()));
    return static_cast<int64_t>(count_code_points(text->bytes()));
  }
  if (const Dict* dict = value.dict()) return static_cast<int64_t>(dict->entries.size());
  const Sequence* sequence = value.sequence();
  if (sequence == nullptr || sequence->kind == Sequence::Kind::kIterator) {
    return type_error("something with a length", value);
  }
  return static_cast<int64_t>(sequence->items.size());
}

}  // namespace sain::formats::jinja
