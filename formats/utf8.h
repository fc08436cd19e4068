// UTF-8, strictly: no surrogates, no over-long forms, nothing above U+10FFFF (The Unicode Standard, table 3-7).
#pragma once

#include <cstddef>
#include <string_view>

namespace sain::formats {

enum class Utf8Kind {
  kComplete,   // one well-formed character
  kTruncated,  // the text ends before a character that could still become well-formed
  kInvalid,    // bytes that no continuation can repair: a maximal subpart in the sense of the standard, section 3.9
};

struct Utf8Unit {
  size_t size;  // bytes, at least 1
  Utf8Kind kind;
};

/// What `text` begins with; it must not be empty.
Utf8Unit first_utf8_unit(std::string_view text);

/// The length in bytes of the longest prefix of `text` that is well-formed.
size_t valid_utf8_prefix(std::string_view text);

/// As much of the beginning of `text` as is well-formed and not longer than `max_bytes`: a character is not cut.
inline std::string_view utf8_beginning(std::string_view text, size_t max_bytes) {
  text = text.substr(0, max_bytes);
  return text.substr(0, valid_utf8_prefix(text));
}

}  // namespace sain::formats
