// Small vocabularies, made in memory.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "formats/tokenizer.h"
#include "formats/tokenizer/byte_level.h"
#include "formats/tokenizer/tokenizer_data.h"
#include "formats/tokenizer/vocabulary.h"

namespace sain::formats {

/// Collects tokens and merges, and owns their text: `data` points into it.
class TinyVocabulary {
 public:
  TokenizerData data;

  TinyVocabulary() = default;
  TinyVocabulary(const TinyVocabulary&) = delete;

  Token add(std::string_view text, TokenType type = TokenType::kNormal, float score = 0) {
    data.tokens.push_back(keep(text));
    data.types.push_back(static_cast<int64_t>(type));
    data.scores.push_back(score);
    return static_cast<Token>(data.tokens.size()) - 1;
  }

  void add_merge(std::string_view left, std::string_view right) {
    data.merges.push_back(keep(std::string(left) + " " + std::string(right)));
  }

 private:
  std::string_view keep(std::string_view text) { return texts_.emplace_back(text); }

  std::deque<std::string> texts_;
};

/// Byte-level BPE: token b is byte b; 256 "he", 257 "ll", 258 "hell", 259 "hello", 260 " w" (spelled with U+0120);
/// 261 <s> control, 262 <|end|> control, 263 <tool> user-defined, 264 <tool>x user-defined, 265 unused.
struct TinyByteLevel : TinyVocabulary {
  TinyByteLevel() {
    data.source = "tiny.gguf";
    data.model = "gpt2";
    data.pre = "gpt-2";
    for (int b = 0; b < 256; ++b) {
      const char byte = static_cast<char>(b);
      std::string text;
      append_byte_level_text(std::string_view(&byte, 1), text);
      add(text);
    }
    for (const char* text : {"he", "ll", "hell", "hello", "\u0120w"}) add(text);
    add("<s>", TokenType::kControl);
    add("<|end|>", TokenType::kControl);
    add("<tool>", TokenType::kUserDefined);
    add("<tool>x", TokenType::kUserDefined);
    add("[PAD]", TokenType::kUnused);
    add_merge("h", "e");
    add_merge("l", "l");
    add_merge("he", "ll");
    add_merge("hell", "o");
    add_merge("\u0120", "w");
    data.bos = 261;
  }
};

/// SentencePiece, with a space prefix: 0 <unk>, 1 <s>, 2 </s>, 3 + b the byte b, then the pieces at kPieces.
struct TinySentencePiece : TinyVocabulary {
  enum : Token { kPieces = 259, kSpace = kPieces, kA, kB, kSpaceA, kAB, kSpaceAB, kSpaceSpace, kNewlines };

  TinySentencePiece() {
    data.source = "tiny.gguf";
    data.model = "llama";
    add("<unk>", TokenType::kUnknown);
    add("<s>", TokenType::kControl);
    add("</s>", TokenType::kControl);
    for (int b = 0; b < 256; ++b) add(fmt::format("<0x{:02X}>", b), TokenType::kByte);
    add("\u2581", TokenType::kNormal, -10);
    add("a", TokenType::kNormal, -11);
    add("b", TokenType::kNormal, -12);
    add("\u2581a", TokenType::kNormal, -2);
    add("ab", TokenType::kNormal, -1);
    add("\u2581ab", TokenType::kNormal, -3);
    add("\u2581\u2581", TokenType::kNormal, -4);
    add("\n\n", TokenType::kUserDefined);
    data.bos = 1;
    data.eos = 2;
    data.unknown = 0;
  }
};

inline Tokenizer made(const TokenizerData& data) {
  auto tokenizer = Tokenizer::create(data);
  SAIN_CHECK(tokenizer);
  return *std::move(tokenizer);
}

/// The message of the error that `data` must give.
inline Error error_of(const TokenizerData& data) {
  auto tokenizer = Tokenizer::create(data);
  return tokenizer ? Error{ErrorCode::kInternal, "no error"} : tokenizer.error();
}

}  // namespace sain::formats
