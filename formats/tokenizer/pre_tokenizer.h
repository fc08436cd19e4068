// Cuts text into the words inside which byte-level BPE merges.
#pragma once

#include <string_view>
#include <vector>

#include "formats/result.h"
#include "formats/tokenizer/pre_tokenizer_patterns.h"

namespace sain::formats {

/// Compiled patterns. Immutable; safe to share between threads.
class PreTokenizer {
 public:
  /// kInternal if a pattern of ours is wrong.
  static Result<PreTokenizer> compile(const PreTokenizerSpec& spec);

  PreTokenizer(PreTokenizer&&) noexcept;
  PreTokenizer& operator=(PreTokenizer&&) noexcept;
  ~PreTokenizer();

  /// Appends the pieces of `text` to `pieces`: adjoining, in order, none empty. Each run of bytes that is not UTF-8 is
  /// a piece. Linear time, whatever the text, with the patterns of pre_tokenizer_patterns.h.
  void split(std::string_view text, std::vector<std::string_view>& pieces) const;

 private:
  class Stage;

  PreTokenizer();

  std::vector<Stage> stages_;
};

}  // namespace sain::formats
