// Text to token ids and back, as a model's own GGUF metadata defines it: byte-level BPE or SentencePiece.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf.h"
#include "formats/result.h"

namespace sain::formats {

using Token = int32_t;

/// Whether the text of a special token ("<|im_end|>") becomes that token or stays plain text.
enum class SpecialTokens { kAsText, kParse };

/// A stretch of a prompt with its own trust: a template's text may hold special tokens, a user's never does.
struct TextSegment {
  std::string_view text;
  SpecialTokens special = SpecialTokens::kAsText;
};

/// Immutable after creation; safe to share between threads.
class Tokenizer {
 public:
  /// Reads `tokenizer.ggml.*`. Errors: kCorrupt (ids beyond the vocabulary, bad merges or byte tokens),
  /// kUnsupported (an unknown tokenizer model). An unknown pre-tokenizer is a warning (see warnings()), not an error.
  static Result<Tokenizer> from_metadata(const Metadata& metadata);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  /// Tokens of `text`, without BOS or EOS. Invalid UTF-8 is accepted: its bytes are kept. Time O(n log n).
  std::vector<Token> encode(std::string_view text, SpecialTokens special) const;

  /// Tokens of the segments read as one text: special tokens are recognised only where they lie wholly inside a
  /// segment that allows them; everything else is merged across the segments' borders.
  std::vector<Token> encode(std::span<const TextSegment> segments) const;

  /// The bytes that `token` stands for; empty for an id outside the vocabulary, and for control tokens unless asked.
  std::string piece(Token token, SpecialTokens special = SpecialTokens::kAsText) const;

  /// The bytes of a whole sequence (the leading space that SentencePiece adds is taken off again). With kAsText
  /// control tokens give nothing, with kParse they give their text.
  std::string decode(std::span<const Token> tokens, SpecialTokens special = SpecialTokens::kAsText) const;

  size_t vocab_size() const;
  std::optional<Token> bos() const;
  std::optional<Token> eos() const;
  bool add_bos() const;
  bool add_eos() const;
  bool is_control(Token token) const;
  /// True for every token that ends a generation (EOS, EOT and their kin).
  bool is_end_of_generation(Token token) const;
  std::optional<Token> find(std::string_view piece_text) const;  // by its exact vocabulary entry
  const std::vector<std::string>& warnings() const;

 private:
  struct State;
  explicit Tokenizer(std::unique_ptr<State>);
  std::unique_ptr<State> state_;
};

/// Turns a stream of tokens into text that is valid UTF-8 at every step: an unfinished sequence is held back until
/// its last byte has come, and bytes that can never become valid are replaced by U+FFFD.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, SpecialTokens special = SpecialTokens::kAsText)
      : tokenizer_(&tokenizer), special_(special) {}

  std::string push(Token token);  // what can be shown now, perhaps nothing
  std::string flush();            // the end of the stream: whatever was held back

 private:
  const Tokenizer* tokenizer_;
  SpecialTokens special_;
  std::string pending_;
  bool first_ = true;
};

}  // namespace sain::formats
