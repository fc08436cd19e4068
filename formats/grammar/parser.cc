#include "formats/grammar/parser.h"

#include <charconv>

#include "formats/gguf_text.h"
#include "formats/jinja/unicode.h"
#include "formats/utf8.h"

namespace sain::formats {
namespace {

constexpr std::string_view kDefines = "::=";

bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

bool is_punctuation(char c) {
  return c > ' ' && c < 0x7F && (!is_name(c) || c == '-' || c == '_');
}

}  // namespace

Result<Grammar> GrammarParser::parse() {
  SAIN_RETURN_IF_ERROR(check_text());
  skip_space();
  while (at_ < text_.size()) SAIN_RETURN_IF_ERROR(rule());
  return builder_.build();
}

Status GrammarParser::check_text() const {
  if (text_.size() > Grammar::kMaxText) {
    return make_error(ErrorCode::kResourceExhausted, "grammar: expected at most {} bytes, found {}", Grammar::kMaxText,
                      text_.size());
  }
  const size_t valid = valid_utf8_prefix(text_);
  if (valid == text_.size()) return {};
  return builder_.error_at(valid, fmt::format("expected UTF-8, found the byte {:#04x}", uint8_t(text_[valid])));
}

Status GrammarParser::rule() {
  const size_t offset = at_;
  const std::string_view rule_name = name();
  if (rule_name.empty()) return expected("the name of a rule");
  skip_space();
  if (!take(kDefines)) return expected("'::='");
  GrammarBuilder::Rule& rule = builder_.rule(rule_name, offset);
  if (rule.is_defined) return builder_.error_at(offset, fmt::format("rule {} is there already", quote(rule_name)));
  rule.is_defined = true;
  rule.offset = offset;
  SAIN_RETURN_IF_ERROR(alternatives({rule.start, rule.end}, 0));
  if (at_ < text_.size() && !at_definition()) return expected("an item, '|' or another rule");
  return {};
}

Status GrammarParser::alternatives(const Part& part, size_t nesting) {
  do {
    SAIN_RETURN_IF_ERROR(sequence(part, nesting));
  } while (take('|'));
  return {};
}

Status GrammarParser::sequence(const Part& part, size_t nesting) {
  State state = part.from;
  for (skip_space(); at_item(); skip_space()) {
    const size_t offset = at_;
    const Part single = new_part();
    SAIN_RETURN_IF_ERROR(item(single, nesting));
    SAIN_ASSIGN_OR_RETURN(const Part whole, repeated(single, offset));
    builder_.add_empty(state, whole.from);
    state = whole.to;
  }
  builder_.add_empty(state, part.to);
  return {};
}

bool GrammarParser::at_item() {
  if (at_ == text_.size()) return false;
  const char c = text_[at_];
  return c == '"' || c == '[' || c == '.' || c == '(' || (is_name(c) && !at_definition());
}

Status GrammarParser::item(const Part& part, size_t nesting) {
  if (take('"')) return literal(part);
  if (take('[')) return set(part);
  if (take('.')) return builder_.add_character(part.from, {{0, CodePointSet::kLast}}, part.to), Status();
  const size_t offset = at_;
  if (!take('(')) {
    builder_.add_call(part.from, builder_.rule(name(), offset).start, part.to);
    return {};
  }
  if (nesting == Grammar::kMaxNesting) {
    return builder_.error_at(offset, fmt::format("expected at most {} groups in each other", Grammar::kMaxNesting));
  }
  SAIN_RETURN_IF_ERROR(alternatives(part, nesting + 1));
  return take(')') ? Status() : expected("an item, '|' or ')'");
}

Status GrammarParser::literal(const Part& part) {
  State state = part.from;
  while (!take('"')) {
    SAIN_ASSIGN_OR_RETURN(const uint32_t c, character());
    SAIN_RETURN_IF_ERROR(builder_.check_size());
    const State next = builder_.add_state();
    builder_.add_character(state, {{c, c}}, next);
    state = next;
  }
  builder_.add_empty(state, part.to);
  return {};
}

Status GrammarParser::set(const Part& part) {
  const size_t offset = at_ - 1;
  const bool is_negated = take('^');
  CodePointSet found;
  while (!take(']')) {
    SAIN_ASSIGN_OR_RETURN(const uint32_t low, character());
    uint32_t high = low;
    if (at('-') && !text_.substr(at_).starts_with("-]")) {
      take('-');
      SAIN_ASSIGN_OR_RETURN(high, character());
      if (high < low) return builder_.error_at(offset, "expected ranges that go upwards in the set");
    }
    found.add(low, high);
  }
  if (is_negated) found = found.complement();
  if (found.empty()) return builder_.error_at(offset, "expected at least one character in the set");
  builder_.add_character(part.from, found, part.to);
  return {};
}

/// `part` with what is said about repetition after it. `offset`: where it begins.
Result<GrammarParser::Part> GrammarParser::repeated(Part part, size_t offset) {
  for (;;) {
    SAIN_RETURN_IF_ERROR(builder_.check_size());
    skip_space();
    Count times;
    if (take('*')) {
      times = {0, std::nullopt};
    } else if (take('+')) {
      times = {1, std::nullopt};
    } else if (take('?')) {
      times = {0, 1};
    } else if (take('{')) {
      SAIN_ASSIGN_OR_RETURN(times, count());
    } else {
      return part;
    }
    part = repeat(part, times, offset);
  }
}

Result<GrammarParser::Count> GrammarParser::count() {
  const size_t offset = at_ - 1;
  SAIN_ASSIGN_OR_RETURN(const uint32_t least, number());
  Count times = {least, least};
  if (take(',')) {
    times.most.reset();
    skip_space();
    if (!at('}')) {
      SAIN_ASSIGN_OR_RETURN(times.most, number());
    }
  }
  if (!take('}')) return expected("'}'");
  if (times.most && *times.most < least) {
    return builder_.error_at(offset,
                             fmt::format("expected at most as many as at least, found {} and {}", *times.most, least));
  }
  return times;
}

Result<uint32_t> GrammarParser::number() {
  skip_space();
  uint32_t value = 0;
  const auto [end, failure] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
  if (failure != std::errc() || value > Grammar::kMaxRepeat) {
    return expected(fmt::format("a number up to {}", Grammar::kMaxRepeat));
  }
  at_ = static_cast<size_t>(end - text_.data());
  skip_space();
  return value;
}

GrammarParser::Part GrammarParser::repeat(const Part& part, const Count& times, size_t offset) {
  if (times.least <= 1 && times.most.value_or(1) == 1) {
    if (times.least == 0) builder_.add_empty(part.from, part.to);
    if (!times.most) builder_.add_empty(part.to, part.from);
    return part;
  }
  builder_.add_rule(part.from, part.to, offset);
  const Part whole = new_part();
  State state = whole.from;
  for (uint32_t i = 0; i < times.most.value_or(times.least); ++i) {
    if (i >= times.least) builder_.add_empty(state, whole.to);
    const State next = builder_.add_state();
    builder_.add_call(state, part.from, next);
    state = next;
  }
  if (!times.most) builder_.add_call(state, part.from, state);
  builder_.add_empty(state, whole.to);
  return whole;
}

Result<uint32_t> GrammarParser::character() {
  if (at_ == text_.size() || at('\n')) return expected("the end of what was opened in this line");
  if (!take('\\')) {
    const jinja::CodePoint found = jinja::decode_at(text_, at_);
    at_ += found.n_bytes;
    return found.value;
  }
  switch (at_ < text_.size() ? text_[at_] : '\0') {
    case 'n':
      return ++at_, uint32_t{'\n'};
    case 'r':
      return ++at_, uint32_t{'\r'};
    case 't':
      return ++at_, uint32_t{'\t'};
    case 'x':
      return ++at_, hexadecimal(2);
    case 'u':
      return ++at_, hexadecimal(4);
    case 'U':
      return ++at_, hexadecimal(8);
    default:
      if (at_ < text_.size() && is_punctuation(text_[at_])) return uint32_t(uint8_t(text_[at_++]));
      return expected(R"(one of n, r, t, x, u, U or punctuation after '\')");
  }
}

Result<uint32_t> GrammarParser::hexadecimal(size_t n_digits) {
  const std::string_view digits = text_.substr(at_, n_digits);
  uint32_t value = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  const bool is_whole = digits.size() == n_digits && end == digits.data() + n_digits;
  if (failure != std::errc() || !is_whole || value > CodePointSet::kLast || (value >= 0xD800 && value <= 0xDFFF)) {
    return expected(fmt::format("a character's number in {} hexadecimal digits", n_digits));
  }
  at_ += n_digits;
  return value;
}

void GrammarParser::skip_space() {
  while (at_ < text_.size()) {
    if (at('#')) {
      at_ = std::min(text_.find('\n', at_), text_.size());
    } else if (at(' ') || at('\t') || at('\n') || at('\r')) {
      ++at_;
    } else {
      return;
    }
  }
}

bool GrammarParser::take(std::string_view word) {
  if (!text_.substr(at_).starts_with(word)) return false;
  at_ += word.size();
  return true;
}

std::string_view GrammarParser::name() {
  const size_t begin = at_;
  while (at_ < text_.size() && is_name(text_[at_])) ++at_;
  return text_.substr(begin, at_ - begin);
}

/// Whether another rule begins here.
bool GrammarParser::at_definition() {
  const size_t begin = at_;
  const bool has_name = !name().empty();
  skip_space();
  const bool is_definition = has_name && take(kDefines);
  at_ = begin;
  return is_definition;
}

Error GrammarParser::expected(std::string_view what) const {
  if (at_ == text_.size()) return builder_.error_at(at_, fmt::format("expected {}, found the end", what));
  const std::string_view found = text_.substr(at_, jinja::decode_at(text_, at_).n_bytes);
  return builder_.error_at(at_, fmt::format("expected {}, found {}", what, quote(found)));
}

}  // namespace sain::formats
