// SentencePiece's BPE: a whole text is merged by the scores of its pieces, and bytes stand in for what has none
// (Kudo and Richardson 2018, "SentencePiece").
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "formats/tokenizer/merge.h"
#include "formats/tokenizer/text_encoder.h"
#include "formats/tokenizer/tokenizer_data.h"
#include "formats/tokenizer/vocabulary.h"

namespace sain::formats {

class SentencePieceEncoder : public TextEncoder {
 public:
  /// `unknown` is what text becomes that neither a piece nor bytes can spell; without it such text is dropped.
  /// Errors: kCorrupt where scores are missing or not finite, or where some but not all 256 bytes have a token, or one
  /// has two.
  static Result<std::unique_ptr<SentencePieceEncoder>> create(const TokenizerData& data, const Vocabulary& vocabulary,
                                                              std::optional<Token> unknown, bool space_prefix);

  void encode(std::string_view text, TextStart start, std::vector<Token>& tokens) const override;

 private:
  SentencePieceEncoder(const Vocabulary& vocabulary, std::optional<Token> unknown, bool space_prefix);

  Status read_scores(const TokenizerData& data);
  Status read_byte_tokens(const TokenizerData& data);
  void find_joined_spaces();
  void encode_chunk(std::string_view chunk, Merger& merger, std::vector<Token>& tokens) const;
  void append_bytes(std::string_view text, std::vector<Token>& tokens) const;

  const Vocabulary* vocabulary_;
  std::optional<Token> unknown_;
  bool space_prefix_;
  bool has_bytes_ = false;
  std::vector<uint32_t> ranks_;            // (n_tokens): the higher the score, the lower
  std::array<Token, 256> byte_tokens_{};   // where has_bytes_
  std::array<Token, 128> ascii_tokens_{};  // of single characters; -1: none
  /// Whether some piece holds a space right after a character that ends in this byte. Where none does, no merge
  /// crosses that border, and the text can be cut there.
  std::array<bool, 256> joins_space_{};
};

}  // namespace sain::formats
