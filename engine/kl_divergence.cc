#include "engine/kl_divergence.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/log_sum_exp.h"
#include "engine/sampling/truncation.h"
#include "engine/text_chunks.h"

namespace sain::engine {

double kl_divergence(std::span<const float> reference, std::span<const float> model) {
  SAIN_CHECK(reference.size() == model.size());
  const double log_p_sum = log_sum_exp(reference), log_q_sum = log_sum_exp(model);
  double divergence = 0;
  for (size_t i = 0; i < reference.size(); ++i) {
    const double log_p = static_cast<double>(reference[i]) - log_p_sum;
    const double log_q = static_cast<double>(model[i]) - log_q_sum;
    const double p = static_cast<double>(exp_nonpositive(static_cast<float>(std::min(log_p, 0.0))));
    if (p > 0) divergence += p * (log_p - log_q);
  }
  return std::max(divergence, 0.0);  // rounding can leave it a little below
}

Result<KlDivergence> kl_divergence(Session& reference, Session& model, std::span<const Token> tokens,
                                   const KlDivergenceOptions& options) {
  SAIN_CHECK(&reference != &model);
  const size_t vocab_size = reference.model().config().vocab_size;
  if (model.model().config().vocab_size != vocab_size) {
    return make_error(ErrorCode::kInvalidArgument,
                      "the models' vocabularies differ: the reference {} has {} tokens, {} has {}",
                      reference.model().file().path().string(), vocab_size, model.model().file().path().string(),
                      model.model().config().vocab_size);
  }
  SAIN_RETURN_IF_ERROR(TextChunks::create(model, tokens, options.context));
  SAIN_ASSIGN_OR_RETURN(const TextChunks chunks, TextChunks::create(reference, tokens, options.context));
  const size_t context = options.context;
  const size_t n_rows = std::clamp<size_t>((size_t{64} << 20) / (vocab_size * sizeof(float)), 1, context);
  std::vector<float> rows(n_rows * vocab_size);

  KlDivergence result;
  result.n_tokens = chunks.size() * context;
  double total = 0;
  size_t n_agree = 0;
  for (size_t chunk = 0; chunk < chunks.size(); ++chunk) {
    const std::vector<Token> for_reference = chunks.for_model(reference, chunk);
    const std::vector<Token> for_model = chunks.for_model(model, chunk);
    const auto keep = [&](size_t i, std::span<const float> logits) {
      std::copy(logits.begin(), logits.end(), rows.begin() + static_cast<ptrdiff_t>(i * vocab_size));
    };
    const auto compare = [&](size_t i, std::span<const float> logits) {
      const std::span<const float> expected(rows.data() + i * vocab_size, vocab_size);
      const double divergence = kl_divergence(expected, logits);
      total += divergence;
      result.max_kld = std::max(result.max_kld, divergence);
      n_agree += greedy(expected) == greedy(logits);
    };
    reference.reset();
    model.reset();
    for (size_t first = 0; first < context; first += n_rows) {
      const size_t count = std::min(n_rows, context - first);
      SAIN_RETURN_IF_ERROR(reference.prefill_all(std::span(for_reference).subspan(first, count), keep, options.stop));
      SAIN_RETURN_IF_ERROR(model.prefill_all(std::span(for_model).subspan(first, count), compare, options.stop));
    }
    if (!std::isfinite(total)) {
      return make_error(ErrorCode::kInternal, "chunk {}: the models' logits are not finite", chunk);
    }
    if (options.on_progress) options.on_progress(chunk + 1, chunks.size());
  }
  reference.reset();
  model.reset();
  result.mean_kld = total / static_cast<double>(result.n_tokens);
  result.top1_agreement = static_cast<double>(n_agree) / static_cast<double>(result.n_tokens);
  return result;
}

}  // namespace sain::engine
