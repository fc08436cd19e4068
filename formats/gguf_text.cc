#include "formats/gguf_text.h"

#include <utf8proc.h>

#include <iterator>

namespace sain::formats {
namespace {

bool is_printable(utf8proc_int32_t code_point) {
  const utf8proc_category_t category = utf8proc_category(code_point);
  return category != UTF8PROC_CATEGORY_CC && category != UTF8PROC_CATEGORY_CF && category != UTF8PROC_CATEGORY_CN &&
         category != UTF8PROC_CATEGORY_ZL && category != UTF8PROC_CATEGORY_ZP;
}

template <class Values>
std::string joined(const Values& values, size_t max_items);

std::string item_text(uint64_t value) {
  return fmt::format("{}", value);
}
std::string item_text(int64_t value) {
  return fmt::format("{}", value);
}
// As the float that nearly all files hold: 1e-06, not 9.999999974752427e-07.
std::string item_text(double value) {
  return fmt::format("{}", static_cast<float>(value));
}
std::string item_text(bool value) {
  return value ? "true" : "false";
}
std::string item_text(std::string_view value) {
  return quote(value);
}
std::string item_text(const GgufArray& array) {
  return std::visit([](const auto& values) { return joined(values, 4); }, array.values);
}

template <class Values>
std::string joined(const Values& values, size_t max_items) {
  std::string text = "[";
  for (size_t i = 0; i < values.size() && i < max_items; ++i) {
    if (i > 0) text += ", ";
    text += item_text(values[i]);
  }
  if (values.size() > max_items) text += ", ...";
  return text += "]";
}

}  // namespace

namespace {

/// Appends `text`, escaped and cut, and `close`; then, if it was cut, how long it is.
void append_escaped(std::string& result, std::string_view text, size_t max_bytes, const char* close) {
  const size_t end = result.size() + max_bytes;
  size_t i = 0;
  while (i < text.size() && result.size() < end) {
    utf8proc_int32_t code_point = -1;
    const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data() + i);
    const auto length = utf8proc_iterate(bytes, static_cast<utf8proc_ssize_t>(text.size() - i), &code_point);
    if (length > 0 && is_printable(code_point)) {
      result.append(text, i, static_cast<size_t>(length));
      i += static_cast<size_t>(length);
    } else if (text[i] == '\n') {
      result += "\\n";
      ++i;
    } else {
      fmt::format_to(std::back_inserter(result), "\\x{:02x}", static_cast<unsigned char>(text[i]));
      ++i;
    }
  }
  result += close;
  if (i < text.size()) fmt::format_to(std::back_inserter(result), "... ({} bytes)", text.size());
}

}  // namespace

std::string escape(std::string_view text, size_t max_bytes) {
  std::string result;
  append_escaped(result, text, max_bytes, "");
  return result;
}

std::string quote(std::string_view text, size_t max_bytes) {
  std::string result = "'";
  append_escaped(result, text, max_bytes, "'");
  return result;
}

const char* type_name(GgufType type) {
  static constexpr const char* kNames[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                           "bool", "string", "array", "u64", "i64", "f64"};
  const auto number = static_cast<uint32_t>(type);
  return number < std::size(kNames) ? kNames[number] : "unknown";
}

std::string summary(const GgufValue& value) {
  if (const auto* array = std::get_if<GgufArray>(&value.value)) {
    return fmt::format("{}[{}] {}", type_name(array->element_type), array->size(), item_text(*array));
  }
  return std::visit([](const auto& v) { return item_text(v); }, value.value);
}

}  // namespace sain::formats
