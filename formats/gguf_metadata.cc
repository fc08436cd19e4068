// Typed access to metadata, with the conversions that lose nothing.
#include <cmath>
#include <concepts>
#include <limits>

#include "formats/gguf.h"
#include "formats/gguf_text.h"

namespace sain::formats {
namespace {

template <class T>
constexpr bool is_number = !std::is_same_v<T, bool> && std::is_arithmetic_v<T>;

/// `value` as a To, or nothing where it has no such value. An integer must stay exact; a double becomes the nearest
/// float, and must be finite.
template <class To, class From>
std::optional<To> convert(const From& value) {
  if constexpr (std::is_same_v<To, From>) {
    return value;
  } else if constexpr (!is_number<From> || !is_number<To>) {
    return std::nullopt;
  } else if constexpr (std::integral<To> && std::integral<From>) {
    return std::in_range<To>(value) ? std::optional(static_cast<To>(value)) : std::nullopt;
  } else if constexpr (std::integral<To>) {
    // 2^digits is exact as a double, the largest To is not.
    const double end = std::ldexp(1.0, std::numeric_limits<To>::digits);
    const double begin = std::is_signed_v<To> ? -end : 0.0;
    const bool fits = value >= begin && value < end && value == std::floor(value);
    return fits ? std::optional(static_cast<To>(value)) : std::nullopt;
  } else if constexpr (std::integral<From>) {
    constexpr int64_t kExact = int64_t{1} << std::numeric_limits<To>::digits;
    const bool exact = std::cmp_less_equal(value, kExact) && std::cmp_greater_equal(value, -kExact);
    return exact ? std::optional(static_cast<To>(value)) : std::nullopt;
  } else {
    const bool fits = std::abs(value) <= static_cast<double>(std::numeric_limits<To>::max());  // false for NaN
    return fits ? std::optional(static_cast<To>(value)) : std::nullopt;
  }
}

Error wrong_value(const Metadata& metadata, std::string_view key, const char* expected, const GgufValue& found) {
  return make_error(ErrorCode::kCorrupt, "{}: metadata {}: expected {}, found {} {}", metadata.file(), quote(key),
                    expected, found.type == GgufType::kArray ? "array" : type_name(found.type), summary(found));
}

Result<const GgufValue*> required(const Metadata& metadata, std::string_view key) {
  const GgufValue* value = metadata.find(key);
  if (value == nullptr) {
    return make_error(ErrorCode::kNotFound, "{}: metadata {}: the key is missing", metadata.file(), quote(key));
  }
  return value;
}

template <class T>
Result<T> scalar(const Metadata& metadata, std::string_view key, const char* expected) {
  SAIN_ASSIGN_OR_RETURN(const GgufValue* found, required(metadata, key));
  const auto value = std::visit([](const auto& v) { return convert<T>(v); }, found->value);
  if (!value) return wrong_value(metadata, key, expected, *found);
  return *value;
}

uint64_t bool_as_number(bool value) {
  return value ? 1 : 0;
}
template <class T>
const T& bool_as_number(const T& value) {
  return value;
}

/// An array of T. Bools count as the integers 0 and 1.
template <class T>
Result<std::vector<T>> array(const Metadata& metadata, std::string_view key, const char* expected) {
  SAIN_ASSIGN_OR_RETURN(const GgufValue* found, required(metadata, key));
  const auto* values = std::get_if<GgufArray>(&found->value);
  if (values == nullptr) return wrong_value(metadata, key, expected, *found);
  return std::visit(
      [&]<class From>(const std::vector<From>& from) -> Result<std::vector<T>> {
        std::vector<T> result;
        result.reserve(from.size());
        for (size_t i = 0; i < from.size(); ++i) {
          const std::optional<T> value = convert<T>(bool_as_number(from[i]));
          if (!value) {
            return make_error(ErrorCode::kCorrupt, "{}: metadata {}, element {} of {}: expected {}, found {}",
                              metadata.file(), quote(key), i, from.size(), expected, summary(*found));
          }
          result.push_back(*value);
        }
        return result;
      },
      values->values);
}

}  // namespace

size_t GgufArray::size() const {
  return std::visit([](const auto& v) { return v.size(); }, values);
}

const GgufValue* Metadata::find(std::string_view key) const {
  const auto found = index_.find(key);
  return found == index_.end() ? nullptr : &entries_[found->second].second;
}

Result<uint32_t> Metadata::u32(std::string_view key) const {
  return scalar<uint32_t>(*this, key, "a u32");
}
Result<uint64_t> Metadata::u64(std::string_view key) const {
  return scalar<uint64_t>(*this, key, "a u64");
}
Result<float> Metadata::f32(std::string_view key) const {
  SAIN_ASSIGN_OR_RETURN(const double value, scalar<double>(*this, key, "a finite f32"));
  const auto rounded = convert<float>(value);
  if (!rounded) return wrong_value(*this, key, "a finite f32", *find(key));
  return *rounded;
}
Result<bool> Metadata::boolean(std::string_view key) const {
  return scalar<bool>(*this, key, "a bool");
}
Result<std::string_view> Metadata::string(std::string_view key) const {
  return scalar<std::string_view>(*this, key, "a string");
}
Result<std::vector<std::string_view>> Metadata::strings(std::string_view key) const {
  return array<std::string_view>(*this, key, "an array of strings");
}
Result<std::vector<float>> Metadata::f32s(std::string_view key) const {
  return array<float>(*this, key, "an array of finite f32");
}
Result<std::vector<int64_t>> Metadata::integers(std::string_view key) const {
  return array<int64_t>(*this, key, "an array of integers");
}

}  // namespace sain::formats
