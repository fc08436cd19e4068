// Whether bytes are text.
#pragma once

#include <cstddef>
#include <string_view>

namespace sain::engine {

/// How many bytes from the start are well-formed UTF-8 (Unicode 15, table 3-7: no overlong forms, no surrogates,
/// nothing above U+10FFFF); text.size() when all are.
size_t valid_utf8_prefix(std::string_view text);

inline bool is_valid_utf8(std::string_view text) {
  return valid_utf8_prefix(text) == text.size();
}

}  // namespace sain::engine
