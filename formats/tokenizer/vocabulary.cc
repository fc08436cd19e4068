#include "formats/tokenizer/vocabulary.h"

#include <charconv>
#include <functional>
#include <limits>

#include "formats/gguf_text.h"
#include "formats/tokenizer/byte_level.h"

namespace sain::formats {
namespace {

constexpr std::string_view kSpaceMark = "\u2581";

/// A special token is looked for at every byte of a text, at a cost of up to its length.
constexpr size_t kMaxSpecialBytes = 1024;

uint32_t hash_of(std::string_view text) {
  const uint64_t hash = std::hash<std::string_view>{}(text);
  return static_cast<uint32_t>(hash ^ hash >> 32);
}

void append_sentencepiece_bytes(std::string_view text, std::string& bytes) {
  for (size_t i = 0; i < text.size();) {
    const bool space = text.substr(i, kSpaceMark.size()) == kSpaceMark;
    bytes += space ? ' ' : text[i];
    i += space ? kSpaceMark.size() : 1;
  }
}

bool is_special(TokenType type) {
  return type == TokenType::kControl || type == TokenType::kUserDefined || type == TokenType::kUnknown;
}

}  // namespace

std::optional<uint8_t> parse_byte_token(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text.back() != '>') return std::nullopt;
  uint8_t byte = 0;
  const char* const end = text.data() + 5;
  const auto [stop, error] = std::from_chars(text.data() + 3, end, byte, 16);
  return error == std::errc() && stop == end ? std::optional(byte) : std::nullopt;
}

Result<Vocabulary> Vocabulary::create(const TokenizerData& data, Spelling spelling) {
  if (data.tokens.empty() || data.tokens.size() > std::numeric_limits<Token>::max()) {
    return make_error(ErrorCode::kCorrupt, "{}: metadata 'tokenizer.ggml.tokens': expected 1 to 2^31 tokens, found {}",
                      data.source, data.tokens.size());
  }
  Vocabulary vocabulary;
  vocabulary.text_ends_.reserve(data.tokens.size());
  for (const std::string_view token : data.tokens) {
    vocabulary.texts_ += token;
    vocabulary.text_ends_.push_back(vocabulary.texts_.size());
    vocabulary.max_text_bytes_ = std::max(vocabulary.max_text_bytes_, token.size());
  }
  SAIN_RETURN_IF_ERROR(vocabulary.set_types(data, spelling));
  SAIN_RETURN_IF_ERROR(vocabulary.set_bytes(data, spelling));
  vocabulary.build_index();
  return vocabulary;
}

std::optional<Token> Vocabulary::find(std::string_view text) const {
  const uint32_t hash = hash_of(text);
  for (size_t i = hash & (index_.size() - 1); index_[i].token >= 0; i = (i + 1) & (index_.size() - 1)) {
    if (index_[i].hash == hash && this->text(index_[i].token) == text) return index_[i].token;
  }
  return std::nullopt;
}

std::optional<Token> Vocabulary::find_normal(std::string_view text) const {
  const auto token = find(text);
  return token && type(*token) == TokenType::kNormal ? token : std::nullopt;
}

/// A file without types says nothing of its control tokens but their ids.
Status Vocabulary::set_types(const TokenizerData& data, Spelling spelling) {
  types_.assign(data.tokens.size(), TokenType::kNormal);
  if (data.types.empty()) {
    for (const auto& id : {data.bos, data.eos, data.eot, data.eom}) {
      if (id && *id < size()) types_[*id] = TokenType::kControl;
    }
    if (data.unknown && *data.unknown < size()) types_[*data.unknown] = TokenType::kUnknown;
    for (size_t i = 0; spelling == Spelling::kSentencePiece && i < size(); ++i) {
      if (parse_byte_token(data.tokens[i])) types_[i] = TokenType::kByte;
    }
    return {};
  }
  if (data.types.size() != size()) {
    return make_error(ErrorCode::kCorrupt,
                      "{}: metadata 'tokenizer.ggml.token_type': expected {} elements, one a token, found {}",
                      data.source, size(), data.types.size());
  }
  for (size_t i = 0; i < size(); ++i) {
    if (data.types[i] < 1 || data.types[i] > 6) {
      return make_error(ErrorCode::kCorrupt,
                        "{}: metadata 'tokenizer.ggml.token_type': expected 1 to 6 at {}, found {}", data.source, i,
                        data.types[i]);
    }
    types_[i] = static_cast<TokenType>(data.types[i]);
    if (is_special(types_[i]) && data.tokens[i].size() > kMaxSpecialBytes) {
      return make_error(ErrorCode::kCorrupt,
                        "{}: metadata 'tokenizer.ggml.tokens': expected at most {} bytes in special token {}, found {}",
                        data.source, kMaxSpecialBytes, i, data.tokens[i].size());
    }
  }
  return {};
}

Status Vocabulary::set_bytes(const TokenizerData& data, Spelling spelling) {
  bytes_.reserve(texts_.size());
  byte_ends_.reserve(size());
  for (size_t i = 0; i < size(); ++i) {
    const std::string_view text = data.tokens[i];
    if (types_[i] == TokenType::kByte) {
      const auto byte = parse_byte_token(text);
      if (!byte) {
        return make_error(ErrorCode::kCorrupt,
                          "{}: metadata 'tokenizer.ggml.tokens': expected '<0xHH>' for byte token {}, found {}",
                          data.source, i, quote(text));
      }
      bytes_ += static_cast<char>(*byte);
    } else if (types_[i] != TokenType::kNormal) {
      bytes_ += text;
    } else if (spelling == Spelling::kSentencePiece) {
      append_sentencepiece_bytes(text, bytes_);
    } else if (!append_byte_level_bytes(text, bytes_)) {
      bytes_ += text;  // not spelled in the alphabet: nothing encodes to it, and it reads as it is written
    }
    byte_ends_.push_back(bytes_.size());
  }
  return {};
}

void Vocabulary::build_index() {
  size_t n_slots = 2;
  while (n_slots < 2 * size()) n_slots *= 2;
  index_.assign(n_slots, Slot{0, -1});
  for (size_t token = 0; token < size(); ++token) {
    const std::string_view spelled = text(static_cast<Token>(token));
    const uint32_t hash = hash_of(spelled);
    size_t i = hash & (n_slots - 1);
    while (index_[i].token >= 0 && !(index_[i].hash == hash && text(index_[i].token) == spelled)) {
      i = (i + 1) & (n_slots - 1);
    }
    if (index_[i].token >= 0) {
      ++n_duplicates_;
    } else {
      index_[i] = {hash, static_cast<Token>(token)};
    }
  }
}

}  // namespace sain::formats
