// Code points of UTF-8 text as Python's str sees them, without ever failing: a byte that is not valid UTF-8 counts as a
// code point of its own and survives every operation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sain::formats::jinja {

/// The code point at `offset` (< text.size()) and its length in bytes. An invalid byte b gives {0xDC00 + b, 1}.
struct CodePoint {
  uint32_t value;
  size_t n_bytes;
};
CodePoint decode_at(std::string_view text, size_t offset);

/// Appends a code point as UTF-8; 0xDC80..0xDCFF become the single byte that decode_at() took them from.
void append_utf8(std::string& out, uint32_t code_point);

/// The number of code points.
size_t count_code_points(std::string_view text);

/// Maps between code point indexes and byte offsets. Plain ASCII costs one look through the text and no memory.
class CodePointIndex {
 public:
  explicit CodePointIndex(std::string_view text);
  size_t size() const { return size_; }
  /// The byte offset of code point `index` (0 <= index <= size()).
  size_t offset(size_t index) const { return ascii_ ? index : offsets_[index]; }

 private:
  std::vector<size_t> offsets_;  // (size_ + 1), empty if ASCII
  size_t size_;
  bool ascii_;
};

/// str.isspace() of one code point.
bool is_space(uint32_t code_point);
/// The byte offset after leading, or before trailing, white space.
size_t skip_space(std::string_view text, size_t offset = 0);
size_t rskip_space(std::string_view text);

bool is_alpha(uint32_t code_point);    // str.isalpha()
bool is_decimal(uint32_t code_point);  // str.isdecimal()
bool is_digit(uint32_t code_point);    // str.isdigit(): also superscripts and their like
bool is_numeric(uint32_t code_point);  // str.isnumeric(): also fractions and their like
bool is_upper(uint32_t code_point);
bool is_lower(uint32_t code_point);
bool is_title(uint32_t code_point);
bool is_cased(uint32_t code_point);
bool is_printable(uint32_t code_point);

/// Case mapping of single code points, plus the one common mapping to several ("ß" to "SS").
enum class Case { kUpper, kLower, kTitle };
void append_case(std::string& out, uint32_t code_point, Case target);

}  // namespace sain::formats::jinja
