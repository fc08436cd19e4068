// What a model file says about its tokenizer, read but not yet believed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf.h"
#include "formats/result.h"

namespace sain::formats {

/// The `tokenizer.ggml.*` part of a file. The views point into the file (or whatever else they were made from);
/// Tokenizer::create copies what it keeps.
struct TokenizerData {
  std::string source;              // names the file in messages
  std::string model;               // "gpt2": byte-level BPE; "llama": SentencePiece; "bert": WordPiece
  std::optional<std::string> pre;  // the pre-tokenizer's name; byte-level BPE only
  std::vector<std::string_view> tokens;
  std::vector<float> scores;             // one a token; SentencePiece only
  std::vector<int64_t> types;            // one a token, numbered like TokenType; or empty
  std::vector<std::string_view> merges;  // "left right", the most urgent first; byte-level BPE only
  std::optional<uint64_t> bos, eos, eot, eom, unknown;
  std::optional<bool> add_bos, add_eos, add_space_prefix;
};

/// Errors: kCorrupt where a key is missing, has the wrong type, or is a token id beyond the vocabulary.
Result<TokenizerData> read_tokenizer_data(const Metadata& metadata);

}  // namespace sain::formats
