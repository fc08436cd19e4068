#include "formats/tokenizer/special_token_finder.h"

#include <algorithm>
#include <cstdint>

namespace sain::formats {

SpecialTokenFinder::SpecialTokenFinder(const Vocabulary& vocabulary) : vocabulary_(&vocabulary) {
  for (size_t i = 0; i < vocabulary.size(); ++i) {
    const Token token = static_cast<Token>(i);
    const TokenType type = vocabulary.type(token);
    const bool special = type == TokenType::kControl || type == TokenType::kUnknown || type == TokenType::kUserDefined;
    if (special && !vocabulary.text(token).empty()) sorted_.push_back(token);
  }
  std::stable_sort(sorted_.begin(), sorted_.end(),
                   [&](Token a, Token b) { return vocabulary.text(a) < vocabulary.text(b); });
  for (size_t i = 0; i < sorted_.size(); ++i) {
    Span& span = by_first_byte_[static_cast<uint8_t>(vocabulary.text(sorted_[i])[0])];
    if (span.end == 0) span.begin = i;
    span.end = i + 1;
  }
}

std::optional<SpecialTokenFinder::Match> SpecialTokenFinder::find(std::string_view text, size_t from,
                                                                  const std::vector<Range>& parsed) const {
  if (sorted_.empty()) return std::nullopt;
  auto range =
      std::partition_point(parsed.begin(), parsed.end(), [&](const Range& earlier) { return earlier.end <= from; });
  for (size_t begin = from; begin < text.size(); ++begin) {
    if (by_first_byte_[static_cast<uint8_t>(text[begin])].end == 0) continue;
    while (range != parsed.end() && range->end <= begin) ++range;
    const bool inside = range != parsed.end() && range->begin <= begin;
    if (const auto match = longest_at(text, begin, inside ? range->end : begin)) return match;
  }
  return std::nullopt;
}

/// Narrows `sorted_`, a byte at a time, to the tokens that go on like the text.
std::optional<SpecialTokenFinder::Match> SpecialTokenFinder::longest_at(std::string_view text, size_t begin,
                                                                        size_t parsed_end) const {
  std::optional<Match> longest;
  Span span = by_first_byte_[static_cast<uint8_t>(text[begin])];
  for (size_t length = 1; span.begin < span.end; ++length) {
    // Those that end here are shorter than their neighbours with the same prefix, and so come first.
    for (; span.begin < span.end && vocabulary_->text(sorted_[span.begin]).size() == length; ++span.begin) {
      const Token token = sorted_[span.begin];
      const bool anywhere = vocabulary_->type(token) == TokenType::kUserDefined;
      const bool allowed = anywhere || begin + length <= parsed_end;
      if (allowed && (!longest || longest->end < begin + length)) longest = Match{token, begin, begin + length};
    }
    if (begin + length == text.size()) break;
    const auto byte_at = [&](Token token) { return static_cast<uint8_t>(vocabulary_->text(token)[length]); };
    const uint8_t wanted = static_cast<uint8_t>(text[begin + length]);
    const auto first = sorted_.begin() + static_cast<ptrdiff_t>(span.begin);
    const auto last = sorted_.begin() + static_cast<ptrdiff_t>(span.end);
    const auto low = std::partition_point(first, last, [&](Token token) { return byte_at(token) < wanted; });
    const auto high = std::partition_point(low, last, [&](Token token) { return byte_at(token) <= wanted; });
    span = {static_cast<size_t>(low - sorted_.begin()), static_cast<size_t>(high - sorted_.begin())};
  }
  return longest;
}

}  // namespace sain::formats
