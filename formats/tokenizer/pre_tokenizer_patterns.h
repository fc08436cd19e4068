// The regular expressions by which models cut text into words before merging, under the names that GGUF files use
// (`tokenizer.ggml.pre`).
#pragma once

#include <span>
#include <string_view>

namespace sain::formats {

/// How the models of one family prepare text for byte-level BPE.
struct PreTokenizerSpec {
  std::string_view name;  // of the family
  /// Applied in turn, each to every piece that the one before left: both a match and the text between matches
  /// become pieces. PCRE2 syntax in UTF mode; \s means the Unicode property White_Space.
  std::span<const std::string_view> stages;
  bool ignore_merges = false;  // a word that is a token is that token, whatever the merges say
  bool add_bos = false;        // unless the file says otherwise
};

/// The family to which files with this `tokenizer.ggml.pre` belong; nullptr for a name we do not know.
const PreTokenizerSpec* find_pre_tokenizer(std::string_view name);

/// What a file without a name gets: GPT-2's.
const PreTokenizerSpec& default_pre_tokenizer();

std::span<const PreTokenizerSpec> pre_tokenizers();

}  // namespace sain::formats
