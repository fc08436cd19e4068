#include "formats/jinja/lexer.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "formats/jinja/limits.h"
#include "formats/jinja/unicode.h"

namespace sain::formats::jinja {
namespace {

using Kind = Token::Kind;

bool is_ascii_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}
bool is_name_char(char c) {
  return is_name_start(c) || is_ascii_digit(c);
}

/// \r\n and \r become \n, and one line end at the end of the source goes.
std::string normalize(std::string_view source) {
  std::string result;
  result.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    const bool carriage_return = source[i] == '\r';
    if (carriage_return && i + 1 < source.size() && source[i + 1] == '\n') ++i;
    result.push_back(carriage_return ? '\n' : source[i]);
  }
  if (result.ends_with('\n')) result.pop_back();
  return result;
}

class Lexer {
 public:
  explicit Lexer(std::string source) : source_(std::move(source)), text_(source_) {}

  Result<std::vector<Token>> run() {
    while (position_ < text_.size()) SAIN_RETURN_IF_ERROR(lex_root());
    add(Kind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  enum class Tag { kVariable, kBlock, kComment };

  bool at(std::string_view expected) const { return text_.substr(position_).starts_with(expected); }

  Token& add(Kind kind, std::string_view text) {
    Token token;
    token.kind = kind;
    token.line = line_;
    token.text = text;
    return tokens_.emplace_back(std::move(token));
  }

  void advance_to(size_t position) {
    const std::string_view passed = text_.substr(position_, position - position_);
    line_ += static_cast<uint32_t>(std::count(passed.begin(), passed.end(), '\n'));
    if (!passed.empty()) after_newline_ = passed.back() == '\n';
    position_ = position;
  }

  /// The next place where a tag opens, or the end.
  size_t find_tag(size_t from) const {
    for (size_t i = text_.find('{', from); i != std::string_view::npos; i = text_.find('{', i + 1)) {
      if (i + 1 < text_.size() && (text_[i + 1] == '{' || text_[i + 1] == '%' || text_[i + 1] == '#')) return i;
    }
    return text_.size();
  }

  /// What is left of the text before a tag: `-` takes all white space, and else a tag (but not a variable) that is
  /// first on its line takes the indentation.
  std::string_view strip_before(std::string_view data, char sign, Tag tag) const {
    if (sign == '-') return data.substr(0, rskip_space(data));
    if (sign == '+' || tag == Tag::kVariable) return data;
    const size_t newline = data.rfind('\n');
    const size_t line_start = newline == std::string_view::npos ? 0 : newline + 1;
    if (line_start == 0 && !after_newline_) return data;
    return skip_space(data, line_start) == data.size() ? data.substr(0, line_start) : data;
  }

  char sign_at(size_t position) const {
    const char c = position < text_.size() ? text_[position] : ' ';
    return c == '-' || c == '+' ? c : ' ';
  }

  void add_data(std::string_view data) {
    if (!data.empty()) add(Kind::kData, data);
  }

  Status lex_root() {
    const size_t open = find_tag(position_);
    const std::string_view data = text_.substr(position_, open - position_);
    if (open == text_.size()) {
      add_data(data);
      advance_to(open);
      return {};
    }
    const char kind = text_[open + 1];
    const Tag tag = kind == '{' ? Tag::kVariable : kind == '%' ? Tag::kBlock : Tag::kComment;
    const char sign = sign_at(open + 2);
    add_data(strip_before(data, sign, tag));
    advance_to(open + (sign == ' ' ? 2 : 3));
    if (tag == Tag::kComment) return lex_comment();
    if (const size_t raw_end = tag == Tag::kBlock ? match_raw_tag(position_, "raw") : 0; raw_end != 0) {
      advance_to(raw_end);
      return lex_raw();
    }
    return lex_tag(tag);
  }

  /// Passes a closing delimiter: `-` takes the white space after it, and a block or comment the line's end.
  void pass_close(std::string_view close, char sign, bool trims_newline) {
    size_t end = position_ + (sign == ' ' ? 0 : 1) + close.size();
    if (sign == '-') {
      end = skip_space(text_, end);
    } else if (sign == ' ' && trims_newline && end < text_.size() && text_[end] == '\n') {
      ++end;
    }
    advance_to(end);
  }

  Status lex_comment() {
    if (position_ == text_.size()) return {};  // as the reference implementation, if nothing follows
    const uint32_t first_line = line_;
    const size_t close = text_.find("#}", position_);
    if (close == std::string_view::npos)
      return syntax_error(first_line, "expected '#}}', found the end of the template");
    const char sign = close > position_ ? sign_at(close - 1) : ' ';
    advance_to(sign == ' ' ? close : close - 1);
    pass_close("#}", sign, true);
    return {};
  }

  /// The end of a `raw` or `endraw` tag whose inside begins at `from`, or 0. A raw tag keeps the line end after it.
  size_t match_raw_tag(size_t from, std::string_view name) const {
    size_t i = skip_space(text_, from);
    if (!text_.substr(i).starts_with(name)) return 0;
    i = skip_space(text_, i + name.size());
    const char sign = sign_at(i);
    if (sign == '+' && name == "raw") return 0;
    if (!text_.substr(i + (sign == ' ' ? 0 : 1)).starts_with("%}")) return 0;
    i += sign == ' ' ? 2 : 3;
    if (sign == '-') return skip_space(text_, i);
    if (sign == ' ' && name == "endraw" && i < text_.size() && text_[i] == '\n') ++i;
    return i;
  }

  Status lex_raw() {
    if (position_ == text_.size()) return {};
    for (size_t open = text_.find("{%", position_); open != std::string_view::npos; open = text_.find("{%", open + 1)) {
      const char sign = sign_at(open + 2);
      const size_t end = match_raw_tag(open + (sign == ' ' ? 2 : 3), "endraw");
      if (end == 0) continue;
      add_data(strip_before(text_.substr(position_, open - position_), sign, Tag::kBlock));
      advance_to(end);
      return {};
    }
    return syntax_error(line_, "expected 'endraw', found the end of the template");
  }

  Status lex_tag(Tag tag) {
    const bool block = tag == Tag::kBlock;
    const std::string_view close = block ? "%}" : "}}";
    add(block ? Kind::kBlockBegin : Kind::kVariableBegin, block ? "{%" : "{{");
    std::string brackets;  // the closing ones that are awaited
    while (true) {
      advance_to(skip_space(text_, position_));
      if (position_ == text_.size()) return syntax_error(line_, "expected '{}', found the end of the template", close);
      if (brackets.empty()) {
        const char sign = sign_at(position_);
        const bool closes = at(close) || (sign == '-' && text_.substr(position_ + 1).starts_with(close)) ||
                            (block && sign == '+' && text_.substr(position_ + 1).starts_with(close));
        if (closes) {
          add(block ? Kind::kBlockEnd : Kind::kVariableEnd, close);
          pass_close(close, sign, block);
          return {};
        }
      }
      SAIN_RETURN_IF_ERROR(lex_inside(brackets));
    }
  }

  Status lex_inside(std::string& brackets) {
    const char c = text_[position_];
    if (is_ascii_digit(c)) return lex_number();
    if (is_name_start(c)) {
      size_t end = position_;
      while (end < text_.size() && is_name_char(text_[end])) {
        const CodePoint code_point = decode_at(text_, end);
        if (is_space(code_point.value)) break;
        end += code_point.n_bytes;
      }
      add(Kind::kName, text_.substr(position_, end - position_));
      advance_to(end);
      return {};
    }
    if (c == '"' || c == '\'') return lex_string(c);
    return lex_operator(brackets);
  }

  Status lex_string(char quote) {
    size_t end = position_ + 1;
    while (end < text_.size() && text_[end] != quote) end += text_[end] == '\\' ? 2 : 1;
    if (end >= text_.size()) return syntax_error(line_, "a string is not closed");
    SAIN_ASSIGN_OR_RETURN(const std::string value, unescape(text_.substr(position_ + 1, end - position_ - 1), line_));
    add(Kind::kString, value);
    advance_to(end + 1);
    return {};
  }

  /// The end of digits (single underscores between them) that `accept` takes, from `from`.
  template <class Accept>
  size_t skip_digits(size_t from, Accept accept) const {
    size_t i = from;
    while (i < text_.size() &&
           (accept(text_[i]) || (text_[i] == '_' && i > from && i + 1 < text_.size() && accept(text_[i + 1])))) {
      ++i;
    }
    return i;
  }

  Status lex_number() {
    const size_t begin = position_;
    size_t end = skip_digits(begin, is_ascii_digit);
    bool is_float = false;
    const bool after_point = begin > 0 && text_[begin - 1] == '.';
    const auto digit_at = [&](size_t i) { return i < text_.size() && is_ascii_digit(text_[i]); };
    if (!after_point) {
      if (end < text_.size() && text_[end] == '.' && digit_at(end + 1)) {
        end = skip_digits(end + 1, is_ascii_digit);
        is_float = true;
      }
      if (end < text_.size() && (text_[end] == 'e' || text_[end] == 'E')) {
        const size_t exponent = end + 1 + (sign_at(end + 1) == ' ' ? 0 : 1);
        if (digit_at(exponent)) {
          end = skip_digits(exponent, is_ascii_digit);
          is_float = true;
        }
      }
    }
    if (!is_float) return lex_integer();
    std::string digits(text_.substr(begin, end - begin));
    std::erase(digits, '_');
    Token& token = add(Kind::kFloat, digits);
    // Beyond the range of double, from_chars() leaves the value alone; Python reads infinity or zero.
    const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), token.number);
    if (result.ec == std::errc::result_out_of_range)
      return syntax_error(line_, "the number {} is out of range", digits);
    advance_to(end);
    return {};
  }

  Status lex_integer() {
    const size_t begin = position_;
    int base = 10;
    size_t digits_begin = begin;
    size_t end = begin;
    if (text_[begin] == '0' && begin + 1 < text_.size()) {
      const char letter = static_cast<char>(text_[begin + 1] | 0x20);
      base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10;
    }
    const auto in_base = [&](char c) {
      const char lower = static_cast<char>(c | 0x20);
      const int value = is_ascii_digit(c) ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 99;
      return value < base;
    };
    if (base != 10) {
      digits_begin = begin + 2;
      if (digits_begin < text_.size() && text_[digits_begin] == '_') ++digits_begin;
      end = skip_digits(digits_begin, in_base);
      if (end == digits_begin) base = 10;
    }
    if (base == 10) {
      digits_begin = begin;
      // A number that begins with 0 is 0: "007" is two tokens, which no expression takes.
      end = text_[begin] == '0' ? skip_digits(begin, [](char c) { return c == '0'; })
                                : skip_digits(begin, is_ascii_digit);
    }
    std::string digits(text_.substr(digits_begin, end - digits_begin));
    std::erase(digits, '_');
    Token& token = add(Kind::kInteger, text_.substr(begin, end - begin));
    const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), token.integer, base);
    if (result.ec != std::errc()) return syntax_error(line_, "the integer {} does not fit 64 bits", token.text);
    advance_to(end);
    return {};
  }

  Status lex_operator(std::string& brackets) {
    static constexpr std::array<std::string_view, 26> kOperators = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                                                    "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                                                    ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};
    const auto* const found = std::find_if(kOperators.begin(), kOperators.end(), [&](auto op) { return at(op); });
    if (found == kOperators.end()) {
      const CodePoint c = decode_at(text_, position_);
      return syntax_error(line_, "unexpected character '{}'", text_.substr(position_, c.n_bytes));
    }
    const char c = found->front();
    if (c == '(' || c == '[' || c == '{') {
      brackets.push_back(c == '(' ? ')' : c == '[' ? ']' : '}');
    } else if (c == ')' || c == ']' || c == '}') {
      if (brackets.empty()) return syntax_error(line_, "unexpected '{}'", c);
      if (brackets.back() != c) return syntax_error(line_, "expected '{}', found '{}'", brackets.back(), c);
      brackets.pop_back();
    }
    add(Kind::kOperator, *found);
    advance_to(position_ + found->size());
    return {};
  }

  std::string source_;
  std::string_view text_;
  size_t position_ = 0;
  uint32_t line_ = 1;
  bool after_newline_ = true;  // whether what was passed last ended a line
  std::vector<Token> tokens_;
};

}  // namespace

std::string Token::describe() const {
  if (kind == Kind::kEnd) return "the end of the template";
  if (kind == Kind::kData) return "text";
  if (kind == Kind::kString) return fmt::format("the string '{}'", text.substr(0, 40));
  return fmt::format("'{}'", text.substr(0, 40));
}

Result<std::vector<Token>> tokenize(std::string_view source) {
  if (source.size() > kMaxSourceBytes) {
    return make_error(ErrorCode::kResourceExhausted, "a source of {} bytes; the bound is {}", source.size(),
                      kMaxSourceBytes);
  }
  return Lexer(normalize(source)).run();
}

}  // namespace sain::formats::jinja
