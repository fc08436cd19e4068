// C++ values as the bytes of GGUF metadata values.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <ranges>
#include <string>
#include <string_view>
#include <type_traits>

#include "formats/gguf.h"

namespace sain::formats {

/// The type in the file of a C++ number, bool, string or range of these.
template <class T>
constexpr GgufType gguf_type_of() {
  if constexpr (std::same_as<T, bool>) {
    return GgufType::kBool;
  } else if constexpr (std::convertible_to<T, std::string_view>) {
    return GgufType::kString;
  } else if constexpr (std::floating_point<T>) {
    return sizeof(T) == 4 ? GgufType::kF32 : GgufType::kF64;
  } else if constexpr (std::integral<T>) {
    constexpr GgufType kSigned[] = {GgufType::kI8, GgufType::kI16, GgufType::kI32, GgufType::kI64};
    constexpr GgufType kUnsigned[] = {GgufType::kU8, GgufType::kU16, GgufType::kU32, GgufType::kU64};
    constexpr int kLog2 = sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3;
    return std::is_signed_v<T> ? kSigned[kLog2] : kUnsigned[kLog2];
  } else {
    static_assert(std::ranges::range<T>, "expected a number, a bool, a string, or a range of them");
    return GgufType::kArray;
  }
}

/// Appends the low `size` bytes of `value`, lowest first.
inline void append_little_endian(std::string& bytes, uint64_t value, size_t size) {
  for (size_t i = 0; i < size; ++i) bytes += static_cast<char>(value >> 8 * i & 0xff);
}

/// Appends `value` as it stands in a file after its type.
template <class T>
void append_gguf_value(std::string& bytes, const T& value) {
  if constexpr (std::convertible_to<T, std::string_view>) {
    const std::string_view text = value;
    append_little_endian(bytes, text.size(), 8);
    bytes += text;
  } else if constexpr (std::same_as<T, float>) {
    append_little_endian(bytes, std::bit_cast<uint32_t>(value), 4);
  } else if constexpr (std::same_as<T, double>) {
    append_little_endian(bytes, std::bit_cast<uint64_t>(value), 8);
  } else if constexpr (std::integral<T>) {
    append_little_endian(bytes, static_cast<uint64_t>(value), sizeof(T));
  } else {
    using Item = std::ranges::range_value_t<T>;
    append_little_endian(bytes, static_cast<uint32_t>(gguf_type_of<Item>()), 4);
    append_little_endian(bytes, std::ranges::size(value), 8);
    for (const Item& item : value) append_gguf_value(bytes, item);
  }
}

/// The type and the value.
template <class T>
std::string encode_gguf_value(const T& value) {
  std::string bytes;
  append_little_endian(bytes, static_cast<uint32_t>(gguf_type_of<T>()), 4);
  append_gguf_value(bytes, value);
  return bytes;
}

/// The same for a value that was read: what comes out is what stood in the file.
std::string encode_gguf_value(const GgufValue& value);

}  // namespace sain::formats
