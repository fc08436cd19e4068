#include "engine/perplexity.h"

#include <cmath>

#include "engine/log_sum_exp.h"
#include "engine/text_chunks.h"

namespace sain::engine {

Result<PerplexityResult> perplexity(Session& session, std::span<const Token> tokens, const PerplexityOptions& options) {
  SAIN_ASSIGN_OR_RETURN(const TextChunks chunks, TextChunks::create(session, tokens, options.context));
  const size_t context = options.context;
  PerplexityResult result;
  result.n_chunks = chunks.size();
  result.n_tokens = chunks.size() * (context - 1);
  double total = 0, half_total = 0;
  for (size_t chunk = 0; chunk < chunks.size(); ++chunk) {
    const std::span<const Token> original = chunks.original(chunk);
    double chunk_total = 0;
    const auto score = [&](size_t i, std::span<const float> logits) {  // the logits at i predict position i + 1
      if (i + 1 == context) return;
      const double nll = log_sum_exp(logits) - static_cast<double>(logits[static_cast<size_t>(original[i + 1])]);
      chunk_total += nll;
      if (i + 1 > context / 2) half_total += nll;
    };
    session.reset();
    SAIN_RETURN_IF_ERROR(session.prefill_all(chunks.for_model(session, chunk), score, options.stop));
    if (!std::isfinite(chunk_total)) {
      return make_error(ErrorCode::kInternal, "chunk {}: the model's logits are not finite", chunk);
    }
    total += chunk_total;
    result.chunk_nll.push_back(chunk_total / static_cast<double>(context - 1));
    if (options.on_progress) options.on_progress(chunk + 1, chunks.size());
  }
  session.reset();
  const size_t n_half = chunks.size() * (context - 1 - context / 2);
  result.ppl_all = std::exp(total / static_cast<double>(result.n_tokens));
  result.ppl_half = std::exp(half_total / static_cast<double>(n_half));
  return result;
}

}  // namespace sain::engine
