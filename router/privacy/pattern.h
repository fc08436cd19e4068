// A compiled pattern, searched through a text.
#pragma once

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace sain::router::privacy {

/// Immutable, so several threads may search with it.
class Pattern {
 public:
  /// `source` is PCRE2; a mistake in it is a programmer's error.
  explicit Pattern(const std::string& source);

  /// Takes a match, and returns how many bytes of it the search goes on behind; 0: it goes on at its second character.
  using Visit = std::function<size_t(size_t begin, size_t end)>;

  /// Visits all matches in `text`, well-formed UTF-8, from left to right. Returns how many bytes were searched: all,
  /// unless PCRE2 gives up at some place (its limits on memory and steps).
  size_t search(std::string_view text, const Visit& visit) const;

 private:
  struct Free {
    void operator()(pcre2_code* code) const { pcre2_code_free(code); }
  };
  std::unique_ptr<pcre2_code, Free> code_;
};

}  // namespace sain::router::privacy
