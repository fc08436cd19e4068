#include "formats/tokenizer/sentencepiece_encoder.h"

#include <bit>
#include <cmath>

#include "formats/utf8.h"

namespace sain::formats {
namespace {

constexpr std::string_view kSpaceMark = "\u2581";

/// Orders finite floats downwards: a float's bits, read as an integer, grow with its magnitude.
uint32_t rank_of(float score) {
  const uint32_t bits = std::bit_cast<uint32_t>(score == 0.0f ? 0.0f : score);  // -0 is 0
  const uint32_t ascending = (bits >> 31) != 0 ? ~bits : bits | 0x80000000u;
  return ~ascending;
}

}  // namespace

SentencePieceEncoder::SentencePieceEncoder(const Vocabulary& vocabulary, std::optional<Token> unknown,
                                           bool space_prefix)
    : vocabulary_(&vocabulary), unknown_(unknown), space_prefix_(space_prefix) {
  for (int c = 0; c < 128; ++c) {
    const char character = static_cast<char>(c);
    ascii_tokens_[c] = vocabulary.find_normal(std::string_view(&character, 1)).value_or(-1);
  }
}

Result<std::unique_ptr<SentencePieceEncoder>> SentencePieceEncoder::create(const TokenizerData& data,
                                                                           const Vocabulary& vocabulary,
                                                                           std::optional<Token> unknown,
                                                                           bool space_prefix) {
  std::unique_ptr<SentencePieceEncoder> encoder(new SentencePieceEncoder(vocabulary, unknown, space_prefix));
  SAIN_RETURN_IF_ERROR(encoder->read_scores(data));
  SAIN_RETURN_IF_ERROR(encoder->read_byte_tokens(data));
  encoder->find_joined_spaces();
  return encoder;
}

Status SentencePieceEncoder::read_scores(const TokenizerData& data) {
  if (data.scores.size() != vocabulary_->size()) {
    return make_error(ErrorCode::kCorrupt,
                      "{}: metadata 'tokenizer.ggml.scores': expected {} elements, one a token, found {}", data.source,
                      vocabulary_->size(), data.scores.size());
  }
  ranks_.reserve(data.scores.size());
  for (size_t i = 0; i < data.scores.size(); ++i) {
    if (!std::isfinite(data.scores[i])) {
      return make_error(ErrorCode::kCorrupt,
                        "{}: metadata 'tokenizer.ggml.scores': expected a finite number at {}, found {}", data.source,
                        i, data.scores[i]);
    }
    ranks_.push_back(rank_of(data.scores[i]));
  }
  return {};
}

Status SentencePieceEncoder::read_byte_tokens(const TokenizerData& data) {
  byte_tokens_.fill(-1);
  for (size_t i = 0; i < vocabulary_->size(); ++i) {
    const Token token = static_cast<Token>(i);
    if (vocabulary_->type(token) != TokenType::kByte) continue;
    Token& slot = byte_tokens_[static_cast<uint8_t>(vocabulary_->bytes(token)[0])];
    if (slot >= 0) {
      return make_error(ErrorCode::kCorrupt,
                        "{}: metadata 'tokenizer.ggml.tokens': expected one byte token for {}, found {} and {}",
                        data.source, vocabulary_->text(token), slot, token);
    }
    slot = token;
    has_bytes_ = true;
  }
  for (int byte = 0; has_bytes_ && byte < 256; ++byte) {
    if (byte_tokens_[byte] >= 0) continue;
    return make_error(ErrorCode::kCorrupt,
                      "{}: metadata 'tokenizer.ggml.tokens': expected byte tokens for all 256 bytes, found none for "
                      "<0x{:02X}>",
                      data.source, byte);
  }
  return {};
}

void SentencePieceEncoder::find_joined_spaces() {
  for (size_t i = 0; i < vocabulary_->size(); ++i) {
    const Token token = static_cast<Token>(i);
    if (vocabulary_->type(token) != TokenType::kNormal) continue;
    const std::string_view text = vocabulary_->text(token);
    for (size_t at = text.find(kSpaceMark, 1); at != std::string_view::npos; at = text.find(kSpaceMark, at + 1)) {
      joins_space_[static_cast<uint8_t>(text[at - 1])] = true;
    }
  }
}

void SentencePieceEncoder::encode(std::string_view text, TextStart start, std::vector<Token>& tokens) const {
  if (text.empty()) return;
  std::string marked;
  marked.reserve(text.size() + text.size() / 2);
  if (space_prefix_ && start == TextStart::kFresh) marked += kSpaceMark;
  for (const char c : text) c == ' ' ? marked += kSpaceMark : marked += c;

  Merger merger;
  const std::string_view all = marked;
  size_t begin = 0;
  for (size_t at = all.find(kSpaceMark, 1); at != std::string_view::npos; at = all.find(kSpaceMark, at + 1)) {
    if (joins_space_[static_cast<uint8_t>(all[at - 1])]) continue;
    encode_chunk(all.substr(begin, at - begin), merger, tokens);
    begin = at;
  }
  encode_chunk(all.substr(begin), merger, tokens);
}

void SentencePieceEncoder::encode_chunk(std::string_view chunk, Merger& merger, std::vector<Token>& tokens) const {
  merger.clear();
  for (size_t i = 0; i < chunk.size();) {
    const uint8_t byte = static_cast<uint8_t>(chunk[i]);
    // A byte that is not UTF-8 stands alone.
    const Utf8Unit unit = byte < 0x80 ? Utf8Unit{1, Utf8Kind::kComplete} : first_utf8_unit(chunk.substr(i));
    const size_t size = unit.kind == Utf8Kind::kComplete ? unit.size : 1;
    const Token token =
        byte < 0x80 ? ascii_tokens_[byte] : vocabulary_->find_normal(chunk.substr(i, size)).value_or(-1);
    merger.add(static_cast<uint32_t>(i), static_cast<uint32_t>(size), token);
    i += size;
  }
  merger.run([&](const MergeSymbol& left, const MergeSymbol& right) -> std::optional<Merge> {
    const size_t size = left.size + right.size;
    if (size > vocabulary_->max_text_bytes()) return std::nullopt;
    const auto token = vocabulary_->find_normal(chunk.substr(left.begin, size));
    return token ? std::optional(Merge{ranks_[*token], *token}) : std::nullopt;
  });
  merger.for_each([&](const MergeSymbol& symbol) {
    if (symbol.id >= 0) {
      tokens.push_back(symbol.id);
    } else {
      append_bytes(chunk.substr(symbol.begin, symbol.size), tokens);
    }
  });
}

void SentencePieceEncoder::append_bytes(std::string_view text, std::vector<Token>& tokens) const {
  if (has_bytes_) {
    for (const char c : text) tokens.push_back(byte_tokens_[static_cast<uint8_t>(c)]);
  } else if (unknown_) {
    tokens.push_back(*unknown_);
  }
}

}  // namespace sain::formats
