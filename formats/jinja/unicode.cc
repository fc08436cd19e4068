#include "formats/jinja/unicode.h"

#include <utf8proc.h>

#include <algorithm>

namespace sain::formats::jinja {
namespace {

constexpr uint32_t kInvalidByteBase = 0xDC00;
constexpr uint32_t kSharpS = 0xDF;

utf8proc_category_t category(uint32_t code_point) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code_point));
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

CodePoint decode_at(std::string_view text, size_t offset) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(text[offset + i])); };
  const uint32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  const CodePoint invalid{kInvalidByteBase + first, 1};
  const size_t n_bytes = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || offset + n_bytes > text.size()) return invalid;
  uint32_t value = first & (0xFFU >> (n_bytes + 1));
  for (size_t i = 1; i < n_bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return invalid;
    value = value << 6 | (byte(i) & 0x3F);
  }
  const uint32_t smallest = n_bytes == 2 ? 0x80 : n_bytes == 3 ? 0x800 : 0x10000;
  if (value < smallest || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) return invalid;
  return {value, n_bytes};
}

void append_utf8(std::string& out, uint32_t code_point) {
  const auto put = [&](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | code_point >> 6);
    put(0x80 | (code_point & 0x3F));
  } else if (code_point >= kInvalidByteBase && code_point < kInvalidByteBase + 0x100) {
    put(code_point - kInvalidByteBase);
  } else if (code_point < 0x10000) {
    put(0xE0 | code_point >> 12);
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  } else {
    put(0xF0 | code_point >> 18);
    put(0x80 | (code_point >> 12 & 0x3F));
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  }
}

size_t count_code_points(std::string_view text) {
  size_t count = 0;
  for (size_t i = 0; i < text.size(); ++count) i += decode_at(text, i).n_bytes;
  return count;
}

CodePointIndex::CodePointIndex(std::string_view text) : size_(text.size()), ascii_(is_ascii(text)) {
  if (ascii_) return;
  offsets_.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += decode_at(text, i).n_bytes) offsets_.push_back(i);
  size_ = offsets_.size();
  offsets_.push_back(text.size());
}

bool is_space(uint32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

size_t skip_space(std::string_view text, size_t offset) {
  while (offset < text.size()) {
    const CodePoint c = decode_at(text, offset);
    if (!is_space(c.value)) break;
    offset += c.n_bytes;
  }
  return offset;
}

size_t rskip_space(std::string_view text) {
  size_t end = text.size();
  while (end > 0) {
    size_t begin = end - 1;
    while (begin > 0 && end - begin < 4 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
    if (begin + decode_at(text, begin).n_bytes != end || !is_space(decode_at(text, begin).value)) break;
    end = begin;
  }
  return end;
}

bool is_alpha(uint32_t c) {
  const utf8proc_category_t kind = category(c);
  return kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO;
}

bool is_decimal(uint32_t c) {
  return category(c) == UTF8PROC_CATEGORY_ND;
}

bool is_digit(uint32_t c) {
  const bool superscript = c == 0xB2 || c == 0xB3 || c == 0xB9 || c == 0x2070 || (c >= 0x2074 && c <= 0x2079);
  return is_decimal(c) || superscript || (c >= 0x2080 && c <= 0x2089) || (c >= 0x2460 && c <= 0x2468);
}

bool is_numeric(uint32_t c) {
  const utf8proc_category_t kind = category(c);
  return kind >= UTF8PROC_CATEGORY_ND && kind <= UTF8PROC_CATEGORY_NO;
}

bool is_upper(uint32_t c) {
  return category(c) == UTF8PROC_CATEGORY_LU;
}
bool is_lower(uint32_t c) {
  return category(c) == UTF8PROC_CATEGORY_LL || c == 0xAA || c == 0xBA;
}
bool is_title(uint32_t c) {
  return category(c) == UTF8PROC_CATEGORY_LT;
}
bool is_cased(uint32_t c) {
  return is_upper(c) || is_lower(c) || is_title(c);
}

bool is_printable(uint32_t c) {
  if (c == ' ') return true;
  const utf8proc_category_t kind = category(c);
  return kind != UTF8PROC_CATEGORY_CN && !(kind >= UTF8PROC_CATEGORY_ZS && kind <= UTF8PROC_CATEGORY_CO);
}

void append_case(std::string& out, uint32_t c, Case target) {
  if (c == kSharpS && target != Case::kLower) {
    out.append(target == Case::kUpper ? "SS" : "Ss");
    return;
  }
  const auto code_point = static_cast<utf8proc_int32_t>(c);
  const utf8proc_int32_t mapped = target == Case::kUpper   ? utf8proc_toupper(code_point)
                                  : target == Case::kLower ? utf8proc_tolower(code_point)
                                                           : utf8proc_totitle(code_point);
  append_utf8(out, static_cast<uint32_t>(mapped));
}

}  // namespace sain::formats::jinja
