#include "formats/tokenizer/word_piece_encoder.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>

#include "formats/utf8.h"

namespace sain::formats {
namespace {

constexpr std::string_view kWordMark = "\u2581";
constexpr ptrdiff_t kMaxWordCharacters = 100;

void append_utf8(utf8proc_int32_t character, std::string& text) {
  std::array<utf8proc_uint8_t, 4> bytes;
  const utf8proc_ssize_t n = utf8proc_encode_char(character, bytes.data());
  text.append(reinterpret_cast<const char*>(bytes.data()), static_cast<size_t>(n));
}

/// Those of the CJK blocks that BERT takes for words of one character each.
bool is_ideograph(utf8proc_int32_t c) {
  constexpr struct {
    utf8proc_int32_t first, last;
  } kBlocks[] = {{0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},   {0x20000, 0x2A6DF},
                 {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B820, 0x2CEAF}, {0x2F800, 0x2FA1F}};
  return std::ranges::any_of(kBlocks, [c](const auto& block) { return block.first <= c && c <= block.last; });
}

enum class Kind { kLetter, kSpace, kAlone, kNothing };

Kind kind_of(utf8proc_int32_t c) {
  if (c == '\t' || c == '\n' || c == '\r') return Kind::kSpace;
  if (c == 0 || c == 0xFFFD) return Kind::kNothing;
  if (c < 128 && c > 32 && c != 127) {
    const bool is_alphanumeric = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return is_alphanumeric ? Kind::kLetter : Kind::kAlone;
  }
  switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_ZS:
      return Kind::kSpace;
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_MN:
      return Kind::kNothing;
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
      return Kind::kAlone;
    default:
      return is_ideograph(c) ? Kind::kAlone : Kind::kLetter;
  }
}

}  // namespace

void WordPieceEncoder::encode(std::string_view text, TextStart, std::vector<Token>& tokens) const {
  std::string word(kWordMark);
  const auto end_word = [&] {
    encode_word(word, tokens);
    word = kWordMark;
  };
  const auto add = [&](utf8proc_int32_t c) {
    const Kind kind = kind_of(c);
    if (kind == Kind::kNothing) return;
    if (kind != Kind::kLetter) end_word();
    if (kind == Kind::kSpace) return;
    append_utf8(c, word);
    if (kind == Kind::kAlone) end_word();
  };
  while (!text.empty()) {
    const Utf8Unit unit = first_utf8_unit(text);
    utf8proc_int32_t c = 0;  // what is not UTF-8 is left out
    if (unit.kind == Utf8Kind::kComplete) {
      utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(unit.size),
                       &c);
    }
    text.remove_prefix(unit.size);
    // A character is at most 18 after its decomposition; accents are then characters of their own, and left out.
    std::array<utf8proc_int32_t, 32> parts;
    int boundary = 0;
    const utf8proc_ssize_t n = utf8proc_decompose_char(
        utf8proc_tolower(c), parts.data(), static_cast<utf8proc_ssize_t>(parts.size()), UTF8PROC_DECOMPOSE, &boundary);
    for (utf8proc_ssize_t i = 0; i < n; ++i) add(parts[static_cast<size_t>(i)]);
  }
  end_word();
}

/// `word` begins with its mark; what follows may be nothing.
void WordPieceEncoder::encode_word(std::string_view word, std::vector<Token>& tokens) const {
  if (word.size() == kWordMark.size()) return;
  const size_t n_before = tokens.size();
  const auto is_begin = [](char byte) { return (byte & 0xC0) != 0x80; };  // of a character
  bool is_spelled = std::ranges::count_if(word, is_begin) - 1 <= kMaxWordCharacters;
  for (size_t least = kWordMark.size() + 1; is_spelled && !word.empty(); least = 1) {
    std::optional<Token> piece;
    size_t n = std::min(word.size(), vocabulary_->max_text_bytes());
    for (; n >= least; --n) {
      if (n < word.size() && !is_begin(word[n])) continue;
      piece = vocabulary_->find_normal(word.substr(0, n));
      if (piece) break;
    }
    is_spelled = piece.has_value();
    if (!is_spelled) break;
    tokens.push_back(*piece);
    word.remove_prefix(n);
  }
  if (is_spelled) return;
  tokens.resize(n_before);
  tokens.push_back(unknown_);
}

}  // namespace sain::formats
