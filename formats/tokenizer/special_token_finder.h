// Finds the tokens that are matched as a whole in a text: control tokens where a text may hold them, and
// user-defined ones everywhere.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "formats/tokenizer/vocabulary.h"

namespace sain::formats {

/// Immutable. Refers to the vocabulary, which must outlive it and stay where it is.
class SpecialTokenFinder {
 public:
  explicit SpecialTokenFinder(const Vocabulary& vocabulary);

  struct Match {
    Token token;
    size_t begin;  // bytes into the text
    size_t end;
  };

  /// A stretch of a text, in bytes.
  struct Range {
    size_t begin;
    size_t end;
  };

  /// The first match that begins at or after `from`; at one place the longest. Control (and unknown) tokens count only
  /// where they lie wholly inside one of `parsed`, which are in order and apart. Time: a binary search per byte of
  /// a match or of a prefix shared with some special token; one table look-up for every other byte.
  std::optional<Match> find(std::string_view text, size_t from, const std::vector<Range>& parsed) const;

 private:
  /// Consecutive tokens in `sorted_`.
  struct Span {
    size_t begin = 0;
    size_t end = 0;
  };

  std::optional<Match> longest_at(std::string_view text, size_t begin, size_t parsed_end) const;

  const Vocabulary* vocabulary_;
  std::vector<Token> sorted_;              // by text, so that those with a common prefix are neighbours
  std::array<Span, 256> by_first_byte_{};  // of sorted_
};

}  // namespace sain::formats
