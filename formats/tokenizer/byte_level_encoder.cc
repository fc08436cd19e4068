#include "formats/tokenizer/byte_level_encoder.h"

#include <bit>
#include <string>

#include "formats/gguf_text.h"
#include "formats/tokenizer/byte_level.h"
#include "formats/tokenizer/merge.h"

namespace sain::formats {

MergeTable::MergeTable(size_t n_merges)
    : entries_(std::bit_ceil(2 * n_merges + 2), Entry{kFree, 0, 0}), shift_(64 - std::countr_zero(entries_.size())) {}

void MergeTable::insert(Token left, Token right, uint32_t rank, Token result) {
  const uint64_t pair = static_cast<uint64_t>(left) << 32 | static_cast<uint32_t>(right);
  size_t i = slot(pair);
  while (entries_[i].pair != kFree && entries_[i].pair != pair) i = (i + 1) & (entries_.size() - 1);
  if (entries_[i].pair == kFree) entries_[i] = {pair, rank, result};
}

const MergeTable::Entry* MergeTable::find(Token left, Token right) const {
  const uint64_t pair = static_cast<uint64_t>(left) << 32 | static_cast<uint32_t>(right);
  size_t i = slot(pair);
  while (entries_[i].pair != kFree && entries_[i].pair != pair) i = (i + 1) & (entries_.size() - 1);
  return entries_[i].pair == pair ? &entries_[i] : nullptr;
}

ByteLevelEncoder::ByteLevelEncoder(const Vocabulary& vocabulary, PreTokenizer pre_tokenizer, bool ignore_merges,
                                   size_t n_merges)
    : vocabulary_(&vocabulary),
      pre_tokenizer_(std::move(pre_tokenizer)),
      ignore_merges_(ignore_merges),
      merges_(n_merges) {
  for (int byte = 0; byte < 256; ++byte) {
    std::string text;
    const char c = static_cast<char>(byte);
    append_byte_level_text(std::string_view(&c, 1), text);
    byte_tokens_[byte] = vocabulary.find_normal(text).value_or(-1);
  }
}

Result<std::unique_ptr<ByteLevelEncoder>> ByteLevelEncoder::create(const TokenizerData& data,
                                                                   const Vocabulary& vocabulary,
                                                                   const PreTokenizerSpec& pre) {
  SAIN_ASSIGN_OR_RETURN(PreTokenizer pre_tokenizer, PreTokenizer::compile(pre));
  std::unique_ptr<ByteLevelEncoder> encoder(
      new ByteLevelEncoder(vocabulary, std::move(pre_tokenizer), pre.ignore_merges, data.merges.size()));
  SAIN_RETURN_IF_ERROR(encoder->read_merges(data));
  return encoder;
}

Status ByteLevelEncoder::read_merges(const TokenizerData& data) {
  std::string joined;
  for (size_t rank = 0; rank < data.merges.size(); ++rank) {
    const std::string_view merge = data.merges[rank];
    const auto bad = [&](std::string_view what, std::string_view part) {
      return make_error(ErrorCode::kCorrupt,
                        "{}: metadata 'tokenizer.ggml.merges': expected {} in merge {} {}, found {}", data.source, what,
                        rank, quote(merge), quote(part));
    };
    // A space inside a token is spelled otherwise, so the first one parts the two.
    const size_t space = merge.find(' ');
    if (space == std::string_view::npos) return bad("two tokens with a space between", merge);
    const std::string_view halves[] = {merge.substr(0, space), merge.substr(space + 1)};
    joined.assign(halves[0]).append(halves[1]);
    Token tokens[3];
    for (int i = 0; i < 3; ++i) {
      const std::string_view part = i < 2 ? halves[i] : std::string_view(joined);
      const auto token = vocabulary_->find(part);
      if (!token) return bad("tokens of the vocabulary", part);
      tokens[i] = *token;
    }
    if (vocabulary_->type(tokens[2]) != TokenType::kNormal) continue;
    merges_.insert(tokens[0], tokens[1], static_cast<uint32_t>(rank), tokens[2]);
  }
  return {};
}

void ByteLevelEncoder::encode(std::string_view text, TextStart, std::vector<Token>& tokens) const {
  std::vector<std::string_view> words;
  pre_tokenizer_.split(text, words);
  Merger merger;
  std::string spelled;
  const auto find_merge = [&](const MergeSymbol& left, const MergeSymbol& right) -> std::optional<Merge> {
    const MergeTable::Entry* entry = merges_.find(left.id, right.id);
    return entry == nullptr ? std::nullopt : std::optional(Merge{entry->rank, entry->result});
  };
  for (const std::string_view word : words) {
    if (ignore_merges_) {
      spelled.clear();
      append_byte_level_text(word, spelled);
      if (const auto token = vocabulary_->find_normal(spelled)) {
        tokens.push_back(*token);
        continue;
      }
    }
    merger.clear();
    for (uint32_t i = 0; i < word.size(); ++i) {
      const Token token = byte_tokens_[static_cast<uint8_t>(word[i])];
      if (token >= 0) merger.add(i, 1, token);
    }
    merger.run(find_merge);
    merger.for_each([&](const MergeSymbol& symbol) { tokens.push_back(symbol.id); });
  }
}

}  // namespace sain::formats
