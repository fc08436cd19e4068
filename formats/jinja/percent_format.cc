#include <algorithm>
#include <cmath>

#include "formats/jinja/methods.h"
#include "formats/jinja/number_format.h"
#include "formats/jinja/operators.h"
#include "formats/jinja/to_text.h"
#include "formats/jinja/unicode.h"

namespace sain::formats::jinja {
namespace {

/// One `%...` of a format.
struct Directive {
  bool left = false;
  bool zeros = false;
  NumberStyle style;
  int64_t width = 0;
  char type = 's';
};

/// Walks a format and writes its text and its arguments.
class PercentFormatter {
 public:
  PercentFormatter(Runtime& runtime, const Text& format, const Value& value)
      : runtime_(runtime), format_(format), bytes_(format.bytes()), value_(value) {
    const Sequence* sequence = value.sequence();
    tuple_ = sequence != nullptr && sequence->is_tuple() ? sequence : nullptr;
  }

  Result<Text> run() {
    while (position_ < bytes_.size()) {
      const size_t percent = std::min(bytes_.find('%', position_), bytes_.size());
      result_.append(format_, position_, percent);
      SAIN_RETURN_IF_ERROR(runtime_.charge_memory(percent - position_));
      position_ = percent;
      if (position_ < bytes_.size()) SAIN_RETURN_IF_ERROR(directive());
    }
    const size_t n_given = tuple_ != nullptr ? tuple_->items.size() : 1;
    const bool may_be_left = tuple_ == nullptr && (value_.dict() != nullptr || value_.sequence() != nullptr);
    if (next_ < n_given && !may_be_left) return template_error("a format leaves some of its arguments unused");
    return std::move(result_);
  }

 private:
  char peek() const { return position_ < bytes_.size() ? bytes_[position_] : '\0'; }

  Result<const Value*> take_argument() {
    if (key_value_) return &*key_value_;
    if (tuple_ == nullptr && next_++ == 0) return &value_;
    if (tuple_ != nullptr && next_ < tuple_->items.size()) return &tuple_->items[next_++];
    return template_error("a format has more directives than arguments");
  }

  /// A number in the directive, or `*`, which takes it from the arguments.
  Result<int64_t> read_count() {
    if (peek() == '*') {
      ++position_;
      SAIN_ASSIGN_OR_RETURN(const Value* argument, take_argument());
      return integer_or(argument, 0);
    }
    int64_t count = 0;
    for (; peek() >= '0' && peek() <= '9'; ++position_) {
      count = std::min<int64_t>(count * 10 + (peek() - '0'), int64_t{1} << 40);
    }
    return count;
  }

  Status read_key() {
    const size_t end = bytes_.find(')', position_);
    if (end == std::string_view::npos) return template_error("a key in a format is not closed");
    const std::string key(bytes_.substr(position_ + 1, end - position_ - 1));
    if (value_.dict() == nullptr) return type_error("a dict for a format with keys", value_);
    SAIN_ASSIGN_OR_RETURN(const Value name, runtime_.make_text(key, Trust::kTemplate));
    SAIN_ASSIGN_OR_RETURN(const Value* found, find_key(runtime_, *value_.dict(), name));
    if (found == nullptr) return template_error("a format's key '{}' is missing", key);
    key_value_ = *found;
    position_ = end + 1;
    return {};
  }

  Status directive() {
    ++position_;
    Directive directive;
    key_value_.reset();
    if (peek() == '(') SAIN_RETURN_IF_ERROR(read_key());
    for (; std::string_view("-+ 0#").find(peek()) != std::string_view::npos; ++position_) {
      if (peek() == '-') directive.left = true;
      if (peek() == '0') directive.zeros = true;
      if (peek() == '#') directive.style.alternate = true;
      if (peek() == '+') directive.style.sign = '+';
      if (peek() == ' ' && directive.style.sign == '-') directive.style.sign = ' ';
    }
    SAIN_ASSIGN_OR_RETURN(directive.width, read_count());
    if (directive.width < 0) {
      directive.left = true;
      directive.width = directive.width == INT64_MIN ? INT64_MAX : -directive.width;
    }
    if (peek() == '.') {
      ++position_;
      SAIN_ASSIGN_OR_RETURN(directive.style.precision, read_count());
      directive.style.precision = std::max<int64_t>(directive.style.precision, 0);
    }
    while (peek() == 'l' || peek() == 'h' || peek() == 'L') ++position_;
    directive.type = peek();
    if (position_ >= bytes_.size()) return template_error("an incomplete format");
    ++position_;
    if (directive.type == '%') return result_.append("%", format_.trust_at(position_ - 1)), Status();
    SAIN_ASSIGN_OR_RETURN(const Value* argument, take_argument());
    return write(directive, *argument);
  }

  Status write(const Directive& directive, const Value& argument) {
    if (directive.type == 's' || directive.type == 'r') {
      SAIN_ASSIGN_OR_RETURN(Text text,
                            directive.type == 's' ? to_text(runtime_, argument) : to_repr(runtime_, argument));
      if (directive.style.precision >= 0) {
        const CodePointIndex index(text.bytes());
        text = text.slice(0, index.offset(std::min(static_cast<size_t>(directive.style.precision), index.size())));
      }
      return append(directive, Text(), text, false);
    }
    if (directive.type == 'c') return write_character(directive, argument);
    NumberStyle style = directive.style;
    const bool decimal = std::string_view("diu").find(directive.type) != std::string_view::npos;
    style.type = decimal ? 'd' : directive.type;
    const Trust trust = argument.scalar_trust();
    if (decimal || std::string_view("oxX").find(directive.type) != std::string_view::npos) {
      auto integer = argument.integer();
      if (!integer && decimal && argument.is_float() && std::fabs(*argument.number()) < 9e18) {
        integer = static_cast<int64_t>(*argument.number());
      }
      if (!integer) return type_error("an integer to format", argument);
      SAIN_ASSIGN_OR_RETURN(const NumberText text, format_integer(*integer, style));
      return append(directive, Text(text.prefix, trust), Text(text.digits, trust), directive.zeros);
    }
    if (std::string_view("eEfFgG").find(directive.type) == std::string_view::npos) {
      return template_error("a format has no directive '%{}'", directive.type);
    }
    const auto number = argument.number();
    if (!number) return type_error("a number to format", argument);
    SAIN_ASSIGN_OR_RETURN(const NumberText text, format_float(*number, style));
    return append(directive, Text(text.prefix, trust), Text(text.digits, trust), directive.zeros);
  }

  Status write_character(const Directive& directive, const Value& argument) {
    Text text;
    if (const auto code_point = argument.integer()) {
      if (*code_point < 0 || *code_point > 0x10FFFF || (*code_point >= 0xD800 && *code_point < 0xE000)) {
        return template_error("%c takes a character, found {}", *code_point);
      }
      std::string bytes;
      append_utf8(bytes, static_cast<uint32_t>(*code_point));
      text.append(bytes, argument.scalar_trust());
    } else {
      SAIN_ASSIGN_OR_RETURN(const Text* character, text_argument(&argument));
      if (count_code_points(character->bytes()) != 1) return template_error("%c takes one character");
      text = *character;
    }
    return append(directive, Text(), text, false);
  }

  Status append(const Directive& directive, const Text& prefix, const Text& text, bool zeros) {
    const Text fill(zeros && !directive.left ? "0" : " ", format_.trust());
    const char align = directive.left ? '<' : zeros ? '=' : '>';
    SAIN_ASSIGN_OR_RETURN(const Text padded, pad_field(runtime_, prefix, text, directive.width, fill, align));
    SAIN_RETURN_IF_ERROR(runtime_.charge_memory(padded.size()));
    result_.append(padded);
    return {};
  }

  Runtime& runtime_;
  const Text& format_;
  std::string_view bytes_;
  const Value& value_;
  const Sequence* tuple_;
  std::optional<Value> key_value_;
  size_t position_ = 0;
  size_t next_ = 0;
  Text result_;
};

}  // namespace

Result<Value> percent_format(Runtime& runtime, const Text& format, const Value& value) {
  SAIN_ASSIGN_OR_RETURN(Text text, PercentFormatter(runtime, format, value).run());
  return runtime.make_text(std::move(text));
}

}  // namespace sain::formats::jinja
