// The tokens of a model: how each is spelled in its file, the bytes that it stands for, and the way back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/result.h"
#include "formats/tokenizer.h"
#include "formats/tokenizer/tokenizer_data.h"

namespace sain::formats {

/// Numbered as in `tokenizer.ggml.token_type`.
enum class TokenType : uint8_t {
  kNormal = 1,
  kUnknown = 2,      // stands for text that the vocabulary cannot spell
  kControl = 3,      // structure, not text: <s>, <|im_end|>
  kUserDefined = 4,  // text that is always one token
  kUnused = 5,
  kByte = 6,  // "<0xHH>": one byte
};

/// How the spelling of a normal token gives its bytes.
enum class Spelling {
  kByteLevel,      // in the alphabet of byte_level.h
  kSentencePiece,  // UTF-8 with U+2581 for a space
};

/// Immutable. Owns all its text; the views it gives live as long as it stays where it is.
class Vocabulary {
 public:
  /// Checks `data.tokens` and `data.types`. Errors: kCorrupt, naming file, key, token and value.
  static Result<Vocabulary> create(const TokenizerData& data, Spelling spelling);

  size_t size() const { return types_.size(); }
  bool contains(Token token) const { return token >= 0 && static_cast<size_t>(token) < size(); }

  // For a token of the vocabulary.
  TokenType type(Token token) const { return types_[token]; }
  std::string_view text(Token token) const { return entry(texts_, text_ends_, token); }   // as the file spells it
  std::string_view bytes(Token token) const { return entry(bytes_, byte_ends_, token); }  // what it stands for

  /// The token that the file spells `text`; the lowest of several.
  std::optional<Token> find(std::string_view text) const;

  /// Like find(), for tokens that plain text may become: only of type kNormal.
  std::optional<Token> find_normal(std::string_view text) const;

  size_t max_text_bytes() const { return max_text_bytes_; }
  size_t n_duplicates() const { return n_duplicates_; }  // tokens spelled like an earlier one

 private:
  struct Slot {
    uint32_t hash;
    Token token;  // -1: free
  };

  static std::string_view entry(const std::string& all, const std::vector<size_t>& ends, Token token) {
    const size_t begin = token == 0 ? 0 : ends[token - 1];
    return std::string_view(all).substr(begin, ends[token] - begin);
  }

  Status set_types(const TokenizerData& data, Spelling spelling);
  Status set_bytes(const TokenizerData& data, Spelling spelling);
  void build_index();

  std::vector<TokenType> types_;  // (n_tokens)
  std::string texts_;             // all spellings, end to end
  std::vector<size_t> text_ends_;
  std::string bytes_;
  std::vector<size_t> byte_ends_;
  std::vector<Slot> index_;  // open addressing, linear probing, at most half full; a power of two
  size_t max_text_bytes_ = 0;
  size_t n_duplicates_ = 0;
};

/// The byte of a token spelled "<0xHH>" (two hexadecimal digits of either case).
std::optional<uint8_t> parse_byte_token(std::string_view text);

}  // namespace sain::formats
