// How a long text is cut for the measurements of quality: perplexity.h and kl_divergence.h.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/session.h"
#include "formats/result.h"

namespace sain::engine {

/// Chunks of exactly `context` tokens that do not overlap, each to be evaluated alone from position 0; what is left
/// at the end of the text is not used. A model that wants a BOS sees it in place of each chunk's first token.
class TextChunks {
 public:
  /// Errors: kInvalidArgument (context below 4 or beyond the session's; a text of less than one chunk).
  static Result<TextChunks> create(const Session& session, std::span<const Token> tokens, uint32_t context);

  size_t size() const { return tokens_.size() / context_; }
  std::span<const Token> original(size_t chunk) const { return tokens_.subspan(chunk * context_, context_); }
  std::vector<Token> for_model(const Session& session, size_t chunk) const;

 private:
  TextChunks(std::span<const Token> tokens, uint32_t context) : tokens_(tokens), context_(context) {}

  std::span<const Token> tokens_;
  uint32_t context_;
};

}  // namespace sain::engine
