#include <algorithm>
#include <cmath>

#include "formats/jinja/to_text.h"
#include "formats/jinja/unicode.h"

namespace sain::formats::jinja {
namespace {

class JsonWriter {
 public:
  JsonWriter(Runtime& runtime, const JsonStyle& style) : runtime_(runtime), style_(style) {}

  Status write(const Value& value, size_t level) {
    SAIN_RETURN_IF_ERROR(runtime_.charge_steps(1));
    if (const Text* text = value.text()) return write_string(*text);
    if (const Dict* dict = value.dict()) return write_dict(*dict, level);
    const Sequence* sequence = value.sequence();
    if (sequence != nullptr && (sequence->is_tuple() || sequence->kind == Sequence::Kind::kList)) {
      return write_list(*sequence, level);
    }
    if (!value.is_none() && !value.is_number()) return type_error("a value that JSON has", value);
    return put(scalar(value), value.scalar_trust());
  }

  Text take() { return Text(std::move(out_), trust_); }

 private:
  Status put(std::string_view bytes, Trust trust = Trust::kTemplate) {
    trust_ = both(trust_, trust);
    out_.append(bytes);
    return runtime_.charge_memory(bytes.size());
  }

  static std::string scalar(const Value& value) {
    if (value.is_none()) return "null";
    if (const auto* boolean = std::get_if<bool>(&value.data())) return *boolean ? "true" : "false";
    if (const auto integer = value.integer()) return std::to_string(*integer);
    const double number = *value.number();
    if (std::isnan(number)) return "NaN";
    if (std::isinf(number)) return number < 0 ? "-Infinity" : "Infinity";
    return float_to_string(number);
  }

  Status write_string(const Text& text) {
    const std::string_view bytes = text.bytes();
    std::string quoted = "\"";
    for (size_t i = 0; i < bytes.size();) {
      const CodePoint c = decode_at(bytes, i);
      append_escaped(quoted, bytes.substr(i, c.n_bytes), c.value);
      i += c.n_bytes;
    }
    quoted.push_back('"');
    return put(quoted, text.trust());
  }

  void append_escaped(std::string& out, std::string_view bytes, uint32_t c) const {
    static constexpr std::string_view kEscaped = "\"\\\n\r\t\b\f";
    static constexpr std::string_view kLetters = "\"\\nrtbf";
    const size_t index = c < 0x80 ? kEscaped.find(static_cast<char>(c)) : std::string_view::npos;
    if (index != std::string_view::npos) {
      out.push_back('\\');
      out.push_back(kLetters[index]);
    } else if (c < 0x20 || (c >= 0x7F && c < 0x10000 && style_.ensure_ascii && c != 0x7F)) {
      out.append(fmt::format("\\u{:04x}", c));
    } else if (c >= 0x10000 && style_.ensure_ascii) {
      out.append(fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + ((c - 0x10000) >> 10), 0xDC00 + ((c - 0x10000) & 0x3FF)));
    } else {
      out.append(bytes);
    }
  }

  Status new_line(size_t level) {
    if (!style_.indent) return {};
    SAIN_RETURN_IF_ERROR(put("\n"));
    for (size_t i = 0; i < level; ++i) SAIN_RETURN_IF_ERROR(put(*style_.indent));
    return {};
  }

  Status write_list(const Sequence& list, size_t level) {
    if (list.items.empty()) return put("[]");
    SAIN_RETURN_IF_ERROR(put("["));
    for (size_t i = 0; i < list.items.size(); ++i) {
      if (i > 0) SAIN_RETURN_IF_ERROR(put(style_.item_separator));
      SAIN_RETURN_IF_ERROR(new_line(level + 1));
      SAIN_RETURN_IF_ERROR(write(list.items[i], level + 1));
    }
    SAIN_RETURN_IF_ERROR(new_line(level));
    return put("]");
  }

  Result<Text> key_text(const Value& key) const {
    if (const Text* text = key.text()) return *text;
    if (key.is_none() || key.is_number()) return Text(scalar(key), key.scalar_trust());
    return type_error("a dict key that JSON has", key);
  }

  Status write_dict(const Dict& dict, size_t level) {
    if (dict.entries.empty()) return put("{}");
    std::vector<std::pair<Text, const Value*>> entries;
    for (const auto& [key, value] : dict.entries) {
      SAIN_ASSIGN_OR_RETURN(Text text, key_text(key));
      if (style_.sort_keys && key.text() == nullptr) return type_error("string keys to sort", key);
      entries.emplace_back(std::move(text), &value);
    }
    if (style_.sort_keys) {
      std::stable_sort(entries.begin(), entries.end(),
                       [](const auto& a, const auto& b) { return a.first.bytes() < b.first.bytes(); });
    }
    SAIN_RETURN_IF_ERROR(put("{"));
    bool first = true;
    for (const auto& [key, value] : entries) {
      if (!first) SAIN_RETURN_IF_ERROR(put(style_.item_separator));
      first = false;
      SAIN_RETURN_IF_ERROR(new_line(level + 1));
      SAIN_RETURN_IF_ERROR(write_string(key));
      SAIN_RETURN_IF_ERROR(put(style_.key_separator));
      SAIN_RETURN_IF_ERROR(write(*value, level + 1));
    }
    SAIN_RETURN_IF_ERROR(new_line(level));
    return put("}");
  }

  Runtime& runtime_;
  const JsonStyle& style_;
  std::string out_;
  Trust trust_ = Trust::kTemplate;
};

}  // namespace

Result<Text> to_json(Runtime& runtime, const Value& value, const JsonStyle& style) {
  JsonWriter writer(runtime, style);
  SAIN_RETURN_IF_ERROR(writer.write(value, 0));
  return writer.take();
}

}  // namespace sain::formats::jinja
