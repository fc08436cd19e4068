#include "formats/gguf_encode.h"

#include "formats/gguf_layout.h"

namespace sain::formats {
namespace {

void append_array(std::string& bytes, const GgufArray& array);

/// Narrows a widened value back to `type`.
void append_item(std::string& bytes, GgufType type, const auto& value) {
  using T = std::remove_cvref_t<decltype(value)>;
  if constexpr (std::same_as<T, GgufArray>) {
    append_array(bytes, value);
  } else if constexpr (std::same_as<T, double>) {
    if (type == GgufType::kF32) {
      append_gguf_value(bytes, static_cast<float>(value));
    } else {
      append_gguf_value(bytes, value);
    }
  } else if constexpr (std::integral<T> && !std::same_as<T, bool>) {
    append_little_endian(bytes, static_cast<uint64_t>(value), gguf_type_bytes(type));
  } else {
    append_gguf_value(bytes, value);
  }
}

void append_array(std::string& bytes, const GgufArray& array) {
  append_little_endian(bytes, static_cast<uint32_t>(array.element_type), 4);
  append_little_endian(bytes, array.size(), 8);
  std::visit(
      [&]<class T>(const std::vector<T>& values) {
        for (const T& value : values) append_item(bytes, array.element_type, value);
      },
      array.values);
}

}  // namespace

std::string encode_gguf_value(const GgufValue& value) {
  std::string bytes;
  append_little_endian(bytes, static_cast<uint32_t>(value.type), 4);
  std::visit([&](const auto& item) { append_item(bytes, value.type, item); }, value.value);
  return bytes;
}

}  // namespace sain::formats
