#include <algorithm>

#include "formats/jinja/methods.h"
#include "formats/jinja/number_format.h"
#include "formats/jinja/operators.h"
#include "formats/jinja/to_text.h"
#include "formats/jinja/unicode.h"

namespace sain::formats::jinja {
namespace {

/// [[fill]align][sign][#][0][width][grouping][.precision][type]
struct Spec {
  Text fill = Text(" ", Trust::kTemplate);
  char align = '\0';
  bool zeros = false;
  int64_t width = 0;
  NumberStyle style;
  char type = '\0';
};

bool is_digit_at(std::string_view text, size_t i) {
  return i < text.size() && text[i] >= '0' && text[i] <= '9';
}

int64_t read_number(std::string_view text, size_t& position) {
  int64_t number = 0;
  for (; is_digit_at(text, position); ++position) {
    number = std::min<int64_t>(number * 10 + (text[position] - '0'), int64_t{1} << 40);
  }
  return number;
}

Result<Spec> parse_spec(const Text& text) {
  const std::string_view bytes = text.bytes();
  const auto is_align = [&](size_t i) {
    return i < bytes.size() && std::string_view("<>=^").find(bytes[i]) != std::string_view::npos;
  };
  Spec spec;
  size_t i = 0;
  const size_t n_fill = bytes.empty() ? 0 : decode_at(bytes, 0).n_bytes;
  if (n_fill > 0 && is_align(n_fill)) {
    spec.fill = text.slice(0, n_fill);
    spec.align = bytes[n_fill];
    i = n_fill + 1;
  } else if (is_align(0)) {
    spec.align = bytes[i++];
  }
  const auto skip = [&](std::string_view choices) {
    return i < bytes.size() && choices.find(bytes[i]) != std::string_view::npos ? bytes[i++] : '\0';
  };
  if (const char sign = skip("+- ")) spec.style.sign = sign;
  spec.style.alternate = skip("#") != '\0';
  spec.zeros = skip("0") != '\0';
  spec.width = read_number(bytes, i);
  spec.style.grouping = skip(",_");
  if (skip(".") != '\0') {
    if (!is_digit_at(bytes, i)) return template_error("a format's precision is missing");
    spec.style.precision = read_number(bytes, i);
  }
  spec.type = skip("bcdeEfFgGnosxX%");
  if (i != bytes.size()) return template_error("'{}' is no format", bytes);
  return spec;
}

class BraceFormatter {
 public:
  BraceFormatter(Runtime& runtime, const Arguments& arguments) : runtime_(runtime), arguments_(arguments) {}

  Result<Text> run(const Text& format, size_t level) {
    if (level > 2) return template_error("formats nested too deep");
    const std::string_view bytes = format.bytes();
    Text result;
    for (size_t i = 0; i < bytes.size();) {
      const size_t brace = std::min(bytes.find_first_of("{}", i), bytes.size());
      result.append(format, i, brace);
      SAIN_RETURN_IF_ERROR(runtime_.charge_memory(brace - i + 1));
      i = brace;
      if (i == bytes.size()) break;
      if (bytes.substr(i).starts_with("{{") || bytes.substr(i).starts_with("}}")) {
        result.append(format, i, i + 1);
        i += 2;
        continue;
      }
      if (bytes[i] == '}') return template_error("a single '}}' in a format");
      SAIN_ASSIGN_OR_RETURN(const size_t end, find_close(bytes, i));
      SAIN_ASSIGN_OR_RETURN(const Text field, replace_field(format.slice(i + 1, end), level));
      SAIN_RETURN_IF_ERROR(runtime_.charge_memory(field.size()));
      result.append(field);
      i = end + 1;
    }
    return result;
  }

 private:
  static Result<size_t> find_close(std::string_view bytes, size_t open) {
    size_t depth = 0;
    for (size_t i = open; i < bytes.size(); ++i) {
      if (bytes[i] == '{') ++depth;
      if (bytes[i] == '}' && --depth == 0) return i;
    }
    return template_error("a '{{' in a format is not closed");
  }

  /// name[!conversion][:spec]
  Result<Text> replace_field(const Text& field, size_t level) {
    const std::string_view bytes = field.bytes();
    const size_t colon = std::min(bytes.find(':'), bytes.size());
    const size_t mark = std::min(bytes.substr(0, colon).find('!'), colon);
    SAIN_ASSIGN_OR_RETURN(Value value, look_up(bytes.substr(0, mark)));
    if (mark < colon) {
      const std::string_view conversion = bytes.substr(mark + 1, colon - mark - 1);
      if (conversion != "s" && conversion != "r") return template_error("a format has no conversion '!{}'", conversion);
      SAIN_ASSIGN_OR_RETURN(Text text, conversion == "s" ? to_text(runtime_, value) : to_repr(runtime_, value));
      SAIN_ASSIGN_OR_RETURN(value, runtime_.make_text(std::move(text)));
    }
    SAIN_ASSIGN_OR_RETURN(const Text spec_text, run(field.slice(std::min(colon + 1, bytes.size())), level + 1));
    if (spec_text.empty()) return to_text(runtime_, value);
    SAIN_ASSIGN_OR_RETURN(const Spec spec, parse_spec(spec_text));
    return write(spec, value);
  }

  /// The argument that `name` ("", "0", "key", "0.attribute[item]") stands for.
  Result<Value> look_up(std::string_view name) {
    size_t i = std::min(name.find_first_of(".["), name.size());
    SAIN_ASSIGN_OR_RETURN(Value value, argument(name.substr(0, i)));
    while (i < name.size()) {
      const bool bracket = name[i++] == '[';
      size_t end = bracket ? name.find(']', i) : std::min(name.find_first_of(".[", i), name.size());
      if (end == std::string_view::npos || end == i) return template_error("'{}' names no argument of a format", name);
      const std::string part(name.substr(i, end - i));
      const bool number = bracket && std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
      if (number) {
        size_t position = 0;
        SAIN_ASSIGN_OR_RETURN(value, get_item(runtime_, value, Value(read_number(part, position))));
      } else if (bracket) {
        SAIN_ASSIGN_OR_RETURN(const Value key, runtime_.make_text(part, Trust::kTemplate));
        SAIN_ASSIGN_OR_RETURN(value, get_item(runtime_, value, key));
      } else {
        SAIN_ASSIGN_OR_RETURN(const Value found, get_attribute(runtime_, value, part));
        value = found.is_undefined() ? Value() : found;
      }
      i = bracket ? end + 1 : end;
    }
    return value;
  }

  Result<Value> argument(std::string_view name) {
    const bool number = is_digit_at(name, 0);
    if (name.empty() || number) {
      if (name.empty() ? numbered_ : automatic_) return template_error("a format mixes '{{}}' and '{{0}}'");
      (name.empty() ? automatic_ : numbered_) = true;
      size_t position = 0;
      const size_t index = number ? static_cast<size_t>(read_number(name, position)) : next_++;
      if (position != name.size() || index >= arguments_.positional.size()) {
        return template_error("a format has no argument {}", number ? name : std::to_string(index));
      }
      return arguments_.positional[index];
    }
    SAIN_RETURN_IF_ERROR(runtime_.charge_items_scan(arguments_.keywords.size()));
    for (const auto& [keyword, value] : arguments_.keywords) {
      if (keyword == name) return value;
    }
    return template_error("a format has no argument '{}'", name);
  }

  Result<Text> write(const Spec& spec, const Value& value) {
    if (const Text* text = value.text()) return write_text(spec, *text);
    const bool float_type = spec.type != '\0' && std::string_view("eEfFgG%").find(spec.type) != std::string_view::npos;
    const auto integer = value.integer();
    if (!value.is_number() || value.is_bool() || spec.type == 's' || spec.type == 'c' || spec.type == 'n') {
      return make_error(ErrorCode::kUnsupported, "a format with type '{}' of a {}", spec.type, type_name(value));
    }
    NumberStyle style = spec.style;
    NumberText number;
    if (integer && !float_type) {
      if (style.precision >= 0) return template_error("a format with a precision of an integer");
      style.type = spec.type == '\0' ? 'd' : spec.type;
      SAIN_ASSIGN_OR_RETURN(number, format_integer(*integer, style));
    } else if (float_type) {
      style.type = spec.type;
      SAIN_ASSIGN_OR_RETURN(number, format_float(*value.number(), style));
    } else if (spec.type == '\0' && style.precision < 0 && style.grouping == '\0') {
      number.digits = float_to_string(*value.number());
      if (number.digits.starts_with('-')) {
        number = {"-", number.digits.substr(1)};
      } else if (style.sign != '-') {
        number.prefix = std::string(1, style.sign);
      }
    } else {
      return make_error(ErrorCode::kUnsupported, "a format with type '{}' of a float", spec.type);
    }
    const Trust trust = value.scalar_trust();
    const Text fill = spec.zeros && spec.align == '\0' ? Text("0", Trust::kTemplate) : spec.fill;
    const char align = spec.align != '\0' ? spec.align : spec.zeros ? '=' : '>';
    return pad_field(runtime_, Text(number.prefix, trust), Text(number.digits, trust), spec.width, fill, align);
  }

  Result<Text> write_text(const Spec& spec, const Text& text) {
    const bool for_numbers = spec.style.sign != '-' || spec.style.alternate || spec.style.grouping != '\0' ||
                             spec.align == '=' || (spec.type != '\0' && spec.type != 's');
    if (for_numbers) return template_error("a format for numbers, found a str");
    SAIN_RETURN_IF_ERROR(runtime_.charge_text_scan(text.size()));
    const CodePointIndex index(text.bytes());
    const size_t n_kept =
        spec.style.precision < 0 ? index.size() : std::min(static_cast<size_t>(spec.style.precision), index.size());
    const Text kept = text.slice(0, index.offset(n_kept));
    const Text fill = spec.zeros && spec.align == '\0' ? Text("0", Trust::kTemplate) : spec.fill;
    return pad_field(runtime_, Text(), kept, spec.width, fill, spec.align == '\0' ? '<' : spec.align);
  }

  Runtime& runtime_;
  const Arguments& arguments_;
  size_t next_ = 0;
  bool automatic_ = false;
  bool numbered_ = false;
};

}  // namespace

Result<Value> brace_format(Runtime& runtime, const Value& format, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(Text text, BraceFormatter(runtime, arguments).run(*format.text(), 0));
  return runtime.make_text(std::move(text));
}

}  // namespace sain::formats::jinja
