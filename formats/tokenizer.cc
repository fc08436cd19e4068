#include "formats/tokenizer.h"

#include <algorithm>

#include "formats/gguf_text.h"
#include "formats/tokenizer/byte_level_encoder.h"
#include "formats/tokenizer/sentencepiece_encoder.h"
#include "formats/tokenizer/special_token_finder.h"
#include "formats/tokenizer/text_encoder.h"
#include "formats/tokenizer/tokenizer_data.h"
#include "formats/tokenizer/vocabulary.h"
#include "formats/tokenizer/word_piece_encoder.h"

namespace sain::formats {
namespace {

/// Control tokens that end a turn or a document, as the model families spell them.
constexpr std::string_view kEndTexts[] = {
    "</s>",       "<|endoftext|>", "<|end_of_text|>", "<|im_end|>",
    "<|end|>",    "<|eot_id|>",    "<|eom_id|>",      "<|eot|>",
    "<|eom|>",    "<end_of_turn>", "<|end_of_turn|>", "<|END_OF_TURN_TOKEN|>",
    "<|return|>", "<|call|>",      "[|endofturn|]",   "<|user_end|>",
    "<EOT>",      "_<EOT>",        "[EOT]",           "<\uFF5Cend\u2581of\u2581sentence\uFF5C>",
};

Status check_token_id(const TokenizerData& data, std::string_view key, std::optional<uint64_t> id) {
  if (!id || *id < data.tokens.size()) return {};
  return make_error(ErrorCode::kCorrupt, "{}: metadata 'tokenizer.ggml.{}': expected a token id below {}, found {}",
                    data.source, key, data.tokens.size(), *id);
}

std::optional<Token> as_token(std::optional<uint64_t> id) {
  return id ? std::optional(static_cast<Token>(*id)) : std::nullopt;
}

}  // namespace

struct Tokenizer::State {
  explicit State(Vocabulary checked) : vocabulary(std::move(checked)), special_tokens(vocabulary) {}

  using Range = SpecialTokenFinder::Range;

  std::vector<Token> encode(std::string_view text, const std::vector<Range>& parsed) const;

  bool is_control(Token token) const {
    const TokenType type = vocabulary.type(token);
    return type == TokenType::kControl || type == TokenType::kUnknown;
  }

  Status set_encoder(const TokenizerData& data);
  void set_ends(const TokenizerData& data);

  const Vocabulary vocabulary;
  const SpecialTokenFinder special_tokens;  // refers to `vocabulary`, as does `encoder`: a State is never moved
  std::unique_ptr<TextEncoder> encoder;
  std::optional<Token> bos;
  std::optional<Token> eos;
  bool add_bos = false;
  bool add_eos = false;
  bool space_prefix = false;
  std::vector<Token> ends;  // sorted
  std::vector<std::string> warnings;
};

Tokenizer::Tokenizer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<Tokenizer> Tokenizer::from_metadata(const Metadata& metadata) {
  SAIN_ASSIGN_OR_RETURN(const TokenizerData data, read_tokenizer_data(metadata));
  return create(data);
}

Result<Tokenizer> Tokenizer::create(const TokenizerData& data) {
  if (data.model != "gpt2" && data.model != "llama" && data.model != "bert") {
    return make_error(ErrorCode::kUnsupported,
                      "{}: metadata 'tokenizer.ggml.model': expected 'gpt2' (byte-level BPE), 'llama' "
                      "(SentencePiece) or 'bert' (WordPiece), found {}",
                      data.source, quote(data.model));
  }
  SAIN_RETURN_IF_ERROR(check_token_id(data, "bos_token_id", data.bos));
  SAIN_RETURN_IF_ERROR(check_token_id(data, "eos_token_id", data.eos));
  SAIN_RETURN_IF_ERROR(check_token_id(data, "eot_token_id", data.eot));
  SAIN_RETURN_IF_ERROR(check_token_id(data, "eom_token_id", data.eom));
  SAIN_RETURN_IF_ERROR(check_token_id(data, "unknown_token_id", data.unknown));
  SAIN_ASSIGN_OR_RETURN(
      Vocabulary vocabulary,
      Vocabulary::create(data, data.model == "gpt2" ? Spelling::kByteLevel : Spelling::kSentencePiece));
  auto state = std::make_unique<State>(std::move(vocabulary));
  state->bos = as_token(data.bos);
  state->eos = as_token(data.eos);
  SAIN_RETURN_IF_ERROR(state->set_encoder(data));
  state->set_ends(data);
  if (const size_t n = state->vocabulary.n_duplicates(); n > 0) {
    state->warnings.push_back(fmt::format(
        "{}: metadata 'tokenizer.ggml.tokens': {} tokens are spelled like an earlier one, which text becomes",
        data.source, n));
  }
  return Tokenizer(std::move(state));
}

Status Tokenizer::State::set_encoder(const TokenizerData& data) {
  bool default_add_bos = false;
  if (data.model == "gpt2") {
    const PreTokenizerSpec* pre = data.pre ? find_pre_tokenizer(*data.pre) : nullptr;
    if (pre == nullptr) {
      pre = &default_pre_tokenizer();
      warnings.push_back(fmt::format(
          "{}: metadata 'tokenizer.ggml.pre' is {}: text is cut into words as for {}, and answers suffer if the model "
          "learned otherwise",
          data.source, data.pre ? quote(*data.pre) + ", which is not known" : "missing", pre->name));
    }
    default_add_bos = pre->add_bos;
    SAIN_ASSIGN_OR_RETURN(encoder, ByteLevelEncoder::create(data, vocabulary, *pre));
  } else if (data.model == "bert") {
    // BERT's own names, for a file that gives no ids.
    if (!bos) bos = vocabulary.find("[CLS]");
    if (!eos) eos = vocabulary.find("[SEP]");
    const auto unknown = data.unknown ? as_token(data.unknown) : vocabulary.find("[UNK]");
    if (!unknown) {
      return make_error(ErrorCode::kCorrupt, "{}: metadata 'tokenizer.ggml.unknown_token_id' is missing", data.source);
    }
    encoder = std::make_unique<WordPieceEncoder>(vocabulary, *unknown);
    space_prefix = true;
    add_bos = bos && data.add_bos.value_or(true);
    add_eos = eos && data.add_eos.value_or(true);
    return {};
  } else {
    // SentencePiece's own names, for a file that gives no ids.
    if (!bos) bos = vocabulary.find("<s>");
    if (!eos) eos = vocabulary.find("</s>");
    const auto unknown = data.unknown ? as_token(data.unknown) : vocabulary.find("<unk>");
    default_add_bos = true;
    space_prefix = data.add_space_prefix.value_or(true);
    SAIN_ASSIGN_OR_RETURN(encoder, SentencePieceEncoder::create(data, vocabulary, unknown, space_prefix));
  }
  add_bos = bos && data.add_bos.value_or(default_add_bos);
  add_eos = eos && data.add_eos.value_or(false);
  if (!bos && data.add_bos.value_or(false)) {
    warnings.push_back(fmt::format(
        "{}: metadata 'tokenizer.ggml.add_bos_token' is true, but the file names no BOS token", data.source));
  }
  return {};
}

void Tokenizer::State::set_ends(const TokenizerData& data) {
  for (const auto& id : {eos, as_token(data.eot), as_token(data.eom)}) {
    if (id) ends.push_back(*id);
  }
  for (const std::string_view text : kEndTexts) {
    const auto token = vocabulary.find(text);
    if (!token || vocabulary.type(*token) != TokenType::kControl || token == as_token(data.unknown)) continue;
    ends.push_back(*token);
  }
  std::ranges::sort(ends);
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
}

std::vector<Token> Tokenizer::encode(std::string_view text, SpecialTokens special) const {
  std::vector<State::Range> parsed;
  if (special == SpecialTokens::kParse) parsed.push_back({0, text.size()});
  return state_->encode(text, parsed);
}

std::vector<Token> Tokenizer::encode(std::span<const TextSegment> segments) const {
  std::string text;
  std::vector<State::Range> parsed;
  for (const TextSegment& segment : segments) {
    const size_t begin = text.size();
    text += segment.text;
    if (segment.special != SpecialTokens::kParse) continue;
    if (!parsed.empty() && parsed.back().end == begin) {
      parsed.back().end = text.size();
    } else {
      parsed.push_back({begin, text.size()});
    }
  }
  return state_->encode(text, parsed);
}

std::vector<Token> Tokenizer::State::encode(std::string_view text, const std::vector<Range>& parsed) const {
  std::vector<Token> tokens;
  TextStart start = TextStart::kFresh;
  size_t done = 0;
  while (const auto match = special_tokens.find(text, done, parsed)) {
    if (match->begin > done) encoder->encode(text.substr(done, match->begin - done), start, tokens);
    tokens.push_back(match->token);
    start = vocabulary.type(match->token) == TokenType::kControl ? TextStart::kFresh : TextStart::kContinued;
    done = match->end;
  }
  if (done < text.size()) encoder->encode(text.substr(done), start, tokens);
  return tokens;
}

std::string Tokenizer::piece(Token token, SpecialTokens special) const {
  std::string bytes;
  bool fresh = false;
  append_piece(token, special, fresh, bytes);
  return bytes;
}

std::string Tokenizer::decode(std::span<const Token> tokens, SpecialTokens special) const {
  std::string bytes;
  bool fresh = true;
  for (const Token token : tokens) append_piece(token, special, fresh, bytes);
  return bytes;
}

void Tokenizer::append_piece(Token token, SpecialTokens special, bool& fresh, std::string& bytes) const {
  if (!state_->vocabulary.contains(token)) return;
  std::string_view piece = state_->vocabulary.bytes(token);
  const TokenType type = state_->vocabulary.type(token);
  const bool extra_space = fresh && state_->space_prefix && type == TokenType::kNormal && piece.starts_with(' ');
  if (extra_space) piece.remove_prefix(1);
  fresh = type == TokenType::kControl;
  const bool hidden = state_->is_control(token) || type == TokenType::kUnused;
  if (!hidden || special == SpecialTokens::kParse) bytes += piece;
}

size_t Tokenizer::vocab_size() const {
  return state_->vocabulary.size();
}
std::optional<Token> Tokenizer::bos() const {
  return state_->bos;
}
std::optional<Token> Tokenizer::eos() const {
  return state_->eos;
}
bool Tokenizer::add_bos() const {
  return state_->add_bos;
}
bool Tokenizer::add_eos() const {
  return state_->add_eos;
}

bool Tokenizer::is_control(Token token) const {
  return state_->vocabulary.contains(token) && state_->is_control(token);
}

bool Tokenizer::is_end_of_generation(Token token) const {
  return std::ranges::binary_search(state_->ends, token);
}

std::optional<Token> Tokenizer::find(std::string_view piece_text) const {
  return state_->vocabulary.find(piece_text);
}

const std::vector<std::string>& Tokenizer::warnings() const {
  return state_->warnings;
}

}  // namespace sain::formats
