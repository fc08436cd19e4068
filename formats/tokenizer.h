// Text to token ids and back, as a model's own GGUF metadata defines it: byte-level BPE, SentencePiece, or
// WordPiece (BERT).
//
// Special tokens come in two kinds. Control tokens (<s>, <|im_end|>) are structure: text becomes one only where the
// caller allows it, and they are invisible in decoded text unless asked for. User-defined tokens (Gemma's runs of
// spaces, Qwen's <tool_call>) are text that the model reads as one token: they are matched everywhere. At one place the
// longest match wins.
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

struct TokenizerData;  // formats/tokenizer/tokenizer_data.h

/// Immutable after creation; safe to share between threads. Keeps no reference to what it was made from.
class Tokenizer {
 public:
  /// Reads `tokenizer.ggml.*`. Errors: kCorrupt (ids beyond the vocabulary, bad merges or byte tokens),
  /// kUnsupported (an unknown tokenizer model). An unknown pre-tokenizer is a warning (see warnings()), not an error.
  static Result<Tokenizer> from_metadata(const Metadata& metadata);

  /// The same from data that is already read. Errors as above.
  static Result<Tokenizer> create(const TokenizerData& data);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  /// Tokens of `text`, without BOS or EOS. Invalid UTF-8 is accepted: its bytes are kept where the vocabulary has
  /// tokens for them, and otherwise dropped. Time O(n log n); at most 2^30 bytes.
  std::vector<Token> encode(std::string_view text, SpecialTokens special) const;

  /// Tokens of the segments read as one text: control tokens are recognised only where they lie wholly inside a
  /// segment that allows them (or several in a row that do); everything else is merged across the segments' borders.
  std::vector<Token> encode(std::span<const TextSegment> segments) const;

  /// The bytes that `token` stands for; empty for an id outside the vocabulary, and for control tokens unless asked.
  std::string piece(Token token, SpecialTokens special = SpecialTokens::kAsText) const;

  /// The bytes of a whole sequence (the space that SentencePiece adds before a text, and after a control token, is
  /// taken off again). With kAsText control tokens give nothing, with kParse they give their text. What encode() was
  /// given, where it was UTF-8 without a literal U+2581, and every byte has a token.
  std::string decode(std::span<const Token> tokens, SpecialTokens special = SpecialTokens::kAsText) const;

  size_t vocab_size() const;
  std::optional<Token> bos() const;
  std::optional<Token> eos() const;
  /// Whether a prompt begins with bos(), or ends with eos(): what the file says, else what its kind of tokenizer does
  /// (BOS for SentencePiece and the Llama 3 and Tekken families). Never true where there is no such token. encode()
  /// adds neither; whoever does looks first whether the chat template already wrote it.
  bool add_bos() const;
  bool add_eos() const;
  bool is_control(Token token) const;
  /// True for every token that ends a generation: the file's EOS, EOT and EOM, and control tokens whose text is known
  /// to end a turn or a document (<|im_end|>, <end_of_turn>, <|endoftext|>, ...). A token that the file declares as its
  /// *unknown* token is not counted by its text: there it stands for something else (SmolLM2's <|endoftext|>).
  bool is_end_of_generation(Token token) const;
  std::optional<Token> find(std::string_view piece_text) const;  // by its exact vocabulary entry
  const std::vector<std::string>& warnings() const;

 private:
  friend class StreamDecoder;
  struct State;
  explicit Tokenizer(std::unique_ptr<State>);

  /// Appends what `token` gives to a decoded text. `fresh` says whether SentencePiece's extra space may come now, and
  /// is kept up to date.
  void append_piece(Token token, SpecialTokens special, bool& fresh, std::string& bytes) const;

  std::unique_ptr<State> state_;
};

/// Turns a stream of tokens into text that is valid UTF-8 at every step: an unfinished sequence is held back until
/// its last byte has come, and bytes that can never become valid are replaced by U+FFFD, one for each maximal subpart
/// (The Unicode Standard, section 3.9). All outputs end to end are decode() of all tokens, so repaired. Holds at most
/// three bytes back. Refers to the tokenizer, which must outlive it.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, SpecialTokens special = SpecialTokens::kAsText)
      : tokenizer_(&tokenizer), special_(special) {}

  std::string push(Token token);  // what can be shown now, perhaps nothing
  std::string flush();            // the end of the stream: whatever was held back

 private:
  std::string take(bool at_end);

  const Tokenizer* tokenizer_;
  SpecialTokens special_;
  std::string pending_;
  bool fresh_ = true;
};

}  // namespace sain::formats
