#include "formats/jinja/to_text.h"

#include <charconv>
#include <cmath>

#include "formats/jinja/unicode.h"

namespace sain::formats::jinja {
namespace {

/// Appends the characters of a value's repr() and remembers whether any of them came from input.
class ReprWriter {
 public:
  explicit ReprWriter(Runtime& runtime) : runtime_(runtime) {}

  Status write(const Value& value) {
    SAIN_RETURN_IF_ERROR(runtime_.charge_steps(1));
    if (value.is_undefined()) return put("Undefined", Trust::kTemplate);
    if (const Text* text = value.text()) return write_string(*text);
    if (const Sequence* sequence = value.sequence()) return write_sequence(*sequence);
    if (const Dict* dict = value.dict()) return write_dict(*dict);
    if (const Object* object = value.object()) return write_object(*object, value);
    return put(scalar(value), value.scalar_trust());
  }

  static std::string scalar(const Value& value) {
    if (value.is_none()) return "None";
    if (const auto* boolean = std::get_if<bool>(&value.data())) return *boolean ? "True" : "False";
    if (const auto integer = value.integer()) return std::to_string(*integer);
    return float_to_string(*value.number());
  }

  Text take() { return Text(std::move(out_), trust_); }

 private:
  Status put(std::string_view bytes, Trust trust) {
    trust_ = both(trust_, trust);
    out_.append(bytes);
    return runtime_.charge_memory(bytes.size());
  }

  Status write_string(const Text& text) {
    const std::string& bytes = text.bytes();
    const bool double_quoted = bytes.find('\'') != std::string::npos && bytes.find('"') == std::string::npos;
    const char quote = double_quoted ? '"' : '\'';
    std::string quoted(1, quote);
    for (size_t i = 0; i < bytes.size();) {
      const CodePoint c = decode_at(bytes, i);
      append_escaped(quoted, bytes.substr(i, c.n_bytes), c.value, quote);
      i += c.n_bytes;
    }
    quoted.push_back(quote);
    if (text.markup) quoted = "Markup(" + quoted + ")";
    return put(quoted, text.trust());
  }

  static void append_escaped(std::string& out, std::string_view bytes, uint32_t c, char quote) {
    if (c == static_cast<uint32_t>(quote) || c == '\\') {
      out.push_back('\\');
      out.append(bytes);
    } else if (c == '\n') {
      out.append("\\n");
    } else if (c == '\r') {
      out.append("\\r");
    } else if (c == '\t') {
      out.append("\\t");
    } else if (is_printable(c)) {
      out.append(bytes);
    } else {
      out.append(c < 0x100     ? fmt::format("\\x{:02x}", c)
                 : c < 0x10000 ? fmt::format("\\u{:04x}", c)
                               : fmt::format("\\U{:08x}", c));
    }
  }

  Status write_sequence(const Sequence& sequence) {
    if (sequence.kind == Sequence::Kind::kIterator || sequence.kind == Sequence::Kind::kRange) {
      return make_error(ErrorCode::kUnsupported, "a {} has no text of its own; make it a list first",
                        sequence.kind == Sequence::Kind::kRange ? "range" : "generator");
    }
    if (sequence.kind == Sequence::Kind::kView) {
      SAIN_RETURN_IF_ERROR(put(sequence.view_name, Trust::kTemplate));
      SAIN_RETURN_IF_ERROR(put("([", Trust::kTemplate));
    } else {
      SAIN_RETURN_IF_ERROR(put(sequence.is_tuple() ? "(" : "[", Trust::kTemplate));
    }
    for (size_t i = 0; i < sequence.items.size(); ++i) {
      if (i > 0) SAIN_RETURN_IF_ERROR(put(", ", Trust::kTemplate));
      SAIN_RETURN_IF_ERROR(write(sequence.items[i]));
    }
    if (sequence.is_tuple()) return put(sequence.items.size() == 1 ? ",)" : ")", Trust::kTemplate);
    return put(sequence.kind == Sequence::Kind::kView ? "])" : "]", Trust::kTemplate);
  }

  template <class Entries>
  Status write_entries(const Entries& entries) {
    SAIN_RETURN_IF_ERROR(put("{", Trust::kTemplate));
    bool first = true;
    for (const auto& [key, value] : entries) {
      if (!first) SAIN_RETURN_IF_ERROR(put(", ", Trust::kTemplate));
      first = false;
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(key)>, Value>) {
        SAIN_RETURN_IF_ERROR(write(key));
      } else {
        SAIN_RETURN_IF_ERROR(write_string(Text(key, Trust::kTemplate)));
      }
      SAIN_RETURN_IF_ERROR(put(": ", Trust::kTemplate));
      SAIN_RETURN_IF_ERROR(write(value));
    }
    return put("}", Trust::kTemplate);
  }
  Status write_dict(const Dict& dict) { return write_entries(dict.entries); }

  Status write_object(const Object& object, const Value& value) {
    if (object.kind != Object::Kind::kNamespace) {
      return make_error(ErrorCode::kUnsupported, "a {} has no text of its own", type_name(value));
    }
    // A namespace can hold itself, so its nesting is not bounded by kMaxValueDepth.
    if (++namespace_depth_ > kMaxNamespaceDepth) {
      return make_error(ErrorCode::kResourceExhausted, "namespaces nested deeper than {}", kMaxNamespaceDepth);
    }
    SAIN_RETURN_IF_ERROR(put("<Namespace ", Trust::kTemplate));
    SAIN_RETURN_IF_ERROR(write_entries(static_cast<const Namespace&>(object).attributes));
    --namespace_depth_;
    return put(">", Trust::kTemplate);
  }

  static constexpr size_t kMaxNamespaceDepth = 4;  // each may hold kMaxValueDepth levels of lists
  Runtime& runtime_;
  std::string out_;
  Trust trust_ = Trust::kTemplate;
  size_t namespace_depth_ = 0;
};

/// (digits, exponent) of the shortest decimal that reads back as `number`: 0.d1d2d3... * 10^exponent.
struct Decimal {
  std::string digits;
  int exponent;
};

Decimal shortest_decimal(double magnitude) {
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, magnitude, std::chars_format::scientific).ptr;
  const std::string_view text(buffer, static_cast<size_t>(end - buffer));
  const size_t e = text.find('e');
  Decimal decimal{std::string(text.substr(0, 1)), 0};
  if (e > 2) decimal.digits += text.substr(2, e - 2);
  const char* exponent = text.data() + e + (text[e + 1] == '+' ? 2 : 1);
  std::from_chars(exponent, end, decimal.exponent);
  decimal.exponent += 1;
  return decimal;
}

}  // namespace

std::string float_to_string(double number) {
  if (std::isnan(number)) return "nan";
  const std::string sign = std::signbit(number) ? "-" : "";
  if (std::isinf(number)) return sign + "inf";
  const Decimal decimal = shortest_decimal(std::fabs(number));
  const int n_digits = static_cast<int>(decimal.digits.size());
  const int point = decimal.exponent;  // position of the decimal point among the digits
  if (point > 16 || point < -3) {      // Python's bounds for the exponent form
    std::string mantissa = decimal.digits.substr(0, 1);
    if (n_digits > 1) mantissa += "." + decimal.digits.substr(1);
    const int exponent = point - 1;
    return fmt::format("{}{}e{}{:02}", sign, mantissa, exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  if (point <= 0) return sign + "0." + std::string(static_cast<size_t>(-point), '0') + decimal.digits;
  if (n_digits <= point) return sign + decimal.digits + std::string(static_cast<size_t>(point - n_digits), '0') + ".0";
  return sign + decimal.digits.substr(0, static_cast<size_t>(point)) + "." +
         decimal.digits.substr(static_cast<size_t>(point));
}

Result<Text> to_text(Runtime& runtime, const Value& value) {
  if (const Text* text = value.text()) {
    SAIN_RETURN_IF_ERROR(runtime.charge_memory(text->size()));
    Text copy = *text;
    copy.markup = false;
    return copy;
  }
  if (value.is_undefined()) return Text();
  return to_repr(runtime, value);
}

Result<Text> to_repr(Runtime& runtime, const Value& value) {
  ReprWriter writer(runtime);
  SAIN_RETURN_IF_ERROR(writer.write(value));
  return writer.take();
}

}  // namespace sain::formats::jinja
