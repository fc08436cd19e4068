// BERT's WordPiece (Wu et al., arXiv 1609.08144; Devlin et al., arXiv 1810.04805): text in lower case without accents,
// cut at spaces and punctuation into words, and each word into the longest pieces that the vocabulary has.
#pragma once

#include <string_view>
#include <vector>

#include "formats/tokenizer/text_encoder.h"
#include "formats/tokenizer/vocabulary.h"

namespace sain::formats {

/// Pieces that begin a word are spelled with U+2581 before them in the file, those inside one without.
class WordPieceEncoder : public TextEncoder {
 public:
  /// `unknown` is what a word becomes that cannot be spelled, or is longer than 100 characters.
  WordPieceEncoder(const Vocabulary& vocabulary, Token unknown) : vocabulary_(&vocabulary), unknown_(unknown) {}

  void encode(std::string_view text, TextStart start, std::vector<Token>& tokens) const override;

 private:
  void encode_word(std::string_view word, std::vector<Token>& tokens) const;

  const Vocabulary* vocabulary_;
  Token unknown_;
};

}  // namespace sain::formats
