// Plain text, free of special tokens, to tokens: what differs between kinds of tokenizer.
#pragma once

#include <string_view>
#include <vector>

#include "formats/tokenizer.h"

namespace sain::formats {

/// Where a text stands: SentencePiece may put a space before one that begins a document or follows a control token.
enum class TextStart { kFresh, kContinued };

/// Immutable; safe to share between threads. Refers to a Vocabulary, which must outlive it and stay where it is.
class TextEncoder {
 public:
  virtual ~TextEncoder() = default;

  /// Appends the tokens of `text` (any bytes; at most 2^30 of them) to `tokens`.
  virtual void encode(std::string_view text, TextStart start, std::vector<Token>& tokens) const = 0;
};

}  // namespace sain::formats
