// Perplexity: how well a model predicts a text, e^(mean negative log-likelihood of its tokens).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>
#include <vector>

#include "engine/session.h"
#include "formats/result.h"

namespace sain::engine {

struct PerplexityResult {
  double ppl_all = 0;   // scores positions 1 to context - 1 of each chunk
  double ppl_half = 0;  // scores positions context / 2 + 1 to context - 1 only: each has half a context before it
  size_t n_tokens = 0;  // scored by ppl_all
  size_t n_chunks = 0;
  std::vector<double> chunk_nll;  // (n_chunks): the mean over positions 1 to context - 1, in nats
};

struct PerplexityOptions {
  uint32_t context = 512;  // tokens per chunk, see text_chunks.h
  std::stop_token stop = {};
  std::function<void(size_t chunks_done, size_t n_chunks)> on_progress = {};  // may be empty
};

/// The perplexity of `tokens` (the whole text, without BOS). Resets the session before each chunk and at the end.
/// Errors: those of TextChunks; kInvalidArgument for an id outside the vocabulary; kCancelled; kInternal where the
/// model gives logits that are not finite.
Result<PerplexityResult> perplexity(Session& session, std::span<const Token> tokens, const PerplexityOptions& options);

}  // namespace sain::engine
