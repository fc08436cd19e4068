#include "formats/json_schema/pattern.h"

#include <charconv>
#include <optional>

#include "formats/gguf_text.h"
#include "formats/jinja/unicode.h"
#include "formats/utf8.h"

namespace sain::formats {
namespace {

constexpr size_t kMaxNesting = 64;  // as a group becomes two of the grammar's

const CodePointSet kDigits = {{'0', '9'}};
const CodePointSet kWord = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
const CodePointSet kSpace = {{'\t', '\r'},     {' ', ' '},       {0xA0, 0xA0},     {0x1680, 0x1680}, {0x2000, 0x200A},
                             {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
const CodePointSet kLineEnds = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};

/// One character of the set, as a JSON string spells it.
std::string spelled(const CodePointSet& set) {
  CodePointSet plain = set.without({{0, 0x1F}, {'"', '"'}, {'\\', '\\'}});
  std::vector<std::string> ways;
  if (!plain.empty()) ways.push_back(bracketed(plain));
  if (set.contains('"')) ways.push_back(literal(R"(\")"));
  if (set.contains('\\')) ways.push_back(literal(R"(\\)"));
  constexpr std::string_view kShort = "\bb\tt\nn\ff\rr";
  for (uint32_t c = 0; c < 0x20; ++c) {
    if (!set.contains(c)) continue;
    const size_t at = kShort.find(static_cast<char>(c));
    ways.push_back(literal(at != kShort.npos ? fmt::format("\\{}", kShort[at + 1]) : fmt::format("\\u{:04x}", c)));
  }
  return ways.size() == 1 ? ways[0] : any_of(ways);
}

class PatternParser {
 public:
  explicit PatternParser(std::string_view text) : text_(text) {}

  Result<std::string> parse() {
    if (valid_utf8_prefix(text_) != text_.size()) return fault(ErrorCode::kInvalidArgument, "UTF-8");
    SAIN_ASSIGN_OR_RETURN(std::string whole, alternatives(0));
    if (at_ < text_.size()) return fault(ErrorCode::kInvalidArgument, "a pattern");
    return whole;
  }

 private:
  Result<std::string> alternatives(size_t nesting) {
    std::vector<std::string> found;
    do {
      SAIN_ASSIGN_OR_RETURN(std::string one, sequence(nesting));
      found.push_back(std::move(one));
    } while (take('|'));
    return any_of(found);
  }

  Result<std::string> sequence(size_t nesting) {
    const bool is_top = nesting == 0;
    std::string found = is_top && !take('^') ? "char*" : R"("")";
    while (at_ < text_.size() && !at('|') && !at(')')) {
      if (is_top && take('$')) {
        if (at_ == text_.size() || at('|')) return found;
        return fault(ErrorCode::kUnsupported, "nothing after '$'");
      }
      SAIN_ASSIGN_OR_RETURN(std::string item, atom(nesting));
      SAIN_ASSIGN_OR_RETURN(const std::string times, repetition());
      found += ' ' + item + times;
    }
    return is_top ? found + " char*" : found;
  }

  Result<std::string> atom(size_t nesting) {
    if (at('^') || at('$')) return fault(ErrorCode::kUnsupported, "anchors at the ends only");
    if (at('*') || at('+') || at('?') || at('{')) return fault(ErrorCode::kInvalidArgument, "something to repeat");
    if (take('.')) return spelled(kLineEnds.complement());
    if (take('[')) return set();
    if (take('(')) {
      if (nesting == kMaxNesting) return fault(ErrorCode::kUnsupported, "fewer groups in each other");
      if (at('?') && !take("?:")) return fault(ErrorCode::kUnsupported, "plain groups");
      SAIN_ASSIGN_OR_RETURN(std::string group, alternatives(nesting + 1));
      return take(')') ? Result(group) : fault(ErrorCode::kInvalidArgument, "')'");
    }
    SAIN_ASSIGN_OR_RETURN(const CodePointSet found, member());
    return spelled(found);
  }

  Result<std::string> repetition() {
    std::string times;
    if (at('*') || at('+') || at('?')) {
      times = text_[at_++];
    } else if (at('{')) {
      const size_t size = text_.substr(at_).find('}');
      if (size == text_.npos) return fault(ErrorCode::kInvalidArgument, "'}'");
      times = text_.substr(at_, size + 1);
      if (times.find_first_not_of("0123456789,{}") != times.npos || times[1] < '0' || times[1] > '9') {
        return fault(ErrorCode::kInvalidArgument, "{n}, {n,} or {n,m}");
      }
      at_ += times.size();
    }
    if (!times.empty()) take('?');
    return times;
  }

  Result<std::string> set() {
    const bool is_negated = take('^');
    CodePointSet found;
    while (!take(']')) {
      if (at_ == text_.size()) return fault(ErrorCode::kInvalidArgument, "']'");
      SAIN_ASSIGN_OR_RETURN(const CodePointSet low, member());
      found.add(low);
      if (!at('-') || text_.substr(at_).starts_with("-]")) continue;
      take('-');
      SAIN_ASSIGN_OR_RETURN(const CodePointSet high, member());
      const auto is_single = [](const CodePointSet& s) {
        return s.ranges().size() == 1 && s.ranges()[0].low == s.ranges()[0].high;
      };
      if (!is_single(low) || !is_single(high) || low.ranges()[0].low > high.ranges()[0].low) {
        return fault(ErrorCode::kInvalidArgument, "a range that goes upwards");
      }
      found.add(low.ranges()[0].low, high.ranges()[0].low);
    }
    if (is_negated) found = found.complement();
    if (found.empty()) return fault(ErrorCode::kInvalidArgument, "a set with a character in it");
    return spelled(found);
  }

  /// A character, or what an escape means.
  Result<CodePointSet> member() {
    if (at_ == text_.size()) return fault(ErrorCode::kInvalidArgument, "a character");
    if (!take('\\')) {
      const jinja::CodePoint c = jinja::decode_at(text_, at_);
      at_ += c.n_bytes;
      return single(c.value);
    }
    if (at_ == text_.size()) return fault(ErrorCode::kInvalidArgument, "a character");
    const char c = text_[at_++];
    switch (c) {
      case 'd':
        return kDigits;
      case 'D':
        return kDigits.complement();
      case 'w':
        return kWord;
      case 'W':
        return kWord.complement();
      case 's':
        return kSpace;
      case 'S':
        return kSpace.complement();
      case 't':
        return single('\t');
      case 'n':
        return single('\n');
      case 'r':
        return single('\r');
      case 'f':
        return single('\f');
      case 'v':
        return single('\v');
      case 'x':
        return by_number(2);
      case 'u':
        return by_number(4);
      default:
        if (c > ' ' && c < 0x7F && !kWord.contains(static_cast<uint8_t>(c))) return single(static_cast<uint8_t>(c));
        --at_;
        return fault(ErrorCode::kUnsupported, "another escape");
    }
  }

  Result<CodePointSet> by_number(size_t n_digits) {
    const std::string_view number = text_.substr(at_, n_digits);
    uint32_t value = 0;
    const auto [end, failure] = std::from_chars(number.data(), number.data() + number.size(), value, 16);
    const CodePointSet found = single(value);
    if (failure != std::errc() || number.size() < n_digits || end != number.data() + n_digits || found.empty()) {
      return fault(ErrorCode::kUnsupported, fmt::format("a character's number in {} digits", n_digits));
    }
    at_ += n_digits;
    return found;
  }

  static CodePointSet single(uint32_t code_point) { return {{code_point, code_point}}; }

  bool at(char c) const { return at_ < text_.size() && text_[at_] == c; }
  bool take(char c) { return at(c) && (++at_, true); }
  bool take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  Error fault(ErrorCode code, std::string_view wanted) const {
    return make_error(code, "expected {} at offset {} of {}", wanted, at_, quote(text_));
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

Result<std::string> pattern_expression(std::string_view pattern) {
  return PatternParser(pattern).parse();
}

}  // namespace sain::formats
