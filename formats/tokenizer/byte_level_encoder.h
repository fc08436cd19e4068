// Byte-level BPE: words of bytes, merged by the model's list of pairs.
#pragma once

#include <array>
#include <memory>

#include "formats/tokenizer/pre_tokenizer.h"
#include "formats/tokenizer/text_encoder.h"
#include "formats/tokenizer/tokenizer_data.h"
#include "formats/tokenizer/vocabulary.h"

namespace sain::formats {

/// What two adjacent tokens become: a hash table, fixed once built.
class MergeTable {
 public:
  struct Entry {
    uint64_t pair;  // left token in the upper half, right token in the lower; kFree
    uint32_t rank;
    Token result;
  };
  static constexpr uint64_t kFree = ~uint64_t{0};

  explicit MergeTable(size_t n_merges);

  /// Keeps the first entry of a pair.
  void insert(Token left, Token right, uint32_t rank, Token result);

  /// nullptr where the two do not merge.
  const Entry* find(Token left, Token right) const;

 private:
  size_t slot(uint64_t pair) const { return static_cast<size_t>((pair * 0x9E3779B97F4A7C15u) >> shift_); }

  std::vector<Entry> entries_;  // open addressing, linear probing, at most half full; a power of two
  int shift_;
};

class ByteLevelEncoder : public TextEncoder {
 public:
  /// Errors: kCorrupt, naming file, key and merge, where a merge is not two tokens whose union is a token.
  /// A merge whose result is not a normal token is left out: text must not turn into a control token.
  static Result<std::unique_ptr<ByteLevelEncoder>> create(const TokenizerData& data, const Vocabulary& vocabulary,
                                                          const PreTokenizerSpec& pre);

  /// A byte that has no token of its own is dropped (a vocabulary may lack bytes that no assigned character uses).
  void encode(std::string_view text, TextStart start, std::vector<Token>& tokens) const override;

 private:
  ByteLevelEncoder(const Vocabulary& vocabulary, PreTokenizer pre_tokenizer, bool ignore_merges, size_t n_merges);

  Status read_merges(const TokenizerData& data);

  const Vocabulary* vocabulary_;
  PreTokenizer pre_tokenizer_;
  bool ignore_merges_;
  std::array<Token, 256> byte_tokens_;  // -1: none
  MergeTable merges_;
};

}  // namespace sain::formats
