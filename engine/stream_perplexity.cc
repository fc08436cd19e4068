#include "engine/stream_perplexity.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include "engine/log_sum_exp.h"

namespace sain::engine {
namespace {

/// Negative log-likelihoods, whose mean is a perplexity.
struct Mean {
  double sum = 0;
  size_t n = 0;

  void add(double nll) {
    sum += nll;
    ++n;
  }
  double perplexity() const { return n == 0 ? 0 : std::exp(sum / static_cast<double>(n)); }
};

double nll_of(std::span<const float> logits, Token next, const kernels::Reduce& reduce) {
  return log_sum_exp(logits, reduce) - static_cast<double>(logits[static_cast<size_t>(next)]);
}

/// Reads the text round and round.
class Reader {
 public:
  Reader(Session& session, std::span<const Token> text, const StreamPerplexityOptions& options)
      : session_(session), text_(text), options_(options) {}

  /// The stretch of n tokens that comes next.
  Result<TextStretch> read(size_t n) {
    TextStretch stretch = {.first = session_.n_tokens(), .n_tokens = n};
    Mean all, sampled, oracle;
    double seconds = 0;
    while (n > 0) {
      const uint64_t first = session_.n_tokens();
      const size_t since_oracle = options_.oracle != nullptr ? first % options_.oracle_step : 0;
      const bool is_sampled = options_.oracle != nullptr && first != 0 && since_oracle < options_.oracle_run;
      if (is_sampled && since_oracle == 0) {
        options_.oracle->reset();
        SAIN_RETURN_IF_ERROR(options_.oracle->prefill(session_.history(), options_.stop));
      }
      const size_t count = std::min(n, piece(first));
      const auto start = std::chrono::steady_clock::now();
      SAIN_RETURN_IF_ERROR(append(session_, first, count, [&](double nll) {
        all.add(nll);
        if (is_sampled) sampled.add(nll);
      }));
      seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      if (is_sampled) {
        SAIN_RETURN_IF_ERROR(append(*options_.oracle, first, count, [&](double nll) { oracle.add(nll); }));
      }
      n -= count;
    }
    stretch.perplexity = all.perplexity();
    stretch.ms_per_token = 1000 * seconds / static_cast<double>(stretch.n_tokens);
    stretch.sampled_perplexity = sampled.perplexity();
    stretch.oracle_perplexity = oracle.perplexity();
    if (std::isfinite(all.sum + oracle.sum)) return stretch;
    return make_error(ErrorCode::kInternal, "tokens {} to {}: the model's logits are not finite", stretch.first,
                      session_.n_tokens() - 1);
  }

 private:
  Token at(uint64_t position) const { return text_[position % text_.size()]; }

  /// Tokens from `position` up to the end of the text, or to where the oracle begins or ends.
  size_t piece(uint64_t position) const {
    const size_t to_end = text_.size() - position % text_.size();
    if (options_.oracle == nullptr) return to_end;
    const size_t since = position % options_.oracle_step;
    return std::min(to_end, (since < options_.oracle_run ? options_.oracle_run : options_.oracle_step) - since);
  }

  template <class F>
  Status append(Session& session, uint64_t first, size_t count, F&& add) const {
    const kernels::Reduce& reduce = session.model().kernels().reduce;
    const auto score = [&](size_t i, std::span<const float> logits) { add(nll_of(logits, at(first + i + 1), reduce)); };
    std::span<const Token> tokens = text_.subspan(first % text_.size(), count);
    const formats::Tokenizer& tokenizer = session.model().tokenizer();
    std::vector<Token> with_bos;
    if (first == 0 && tokenizer.add_bos() && tokenizer.bos()) {
      with_bos.assign(tokens.begin(), tokens.end());
      with_bos[0] = *tokenizer.bos();
      tokens = with_bos;
    }
    return session.prefill_all(tokens, score, options_.stop);
  }

  Session& session_;
  std::span<const Token> text_;
  const StreamPerplexityOptions& options_;
};

}  // namespace

Status stream_perplexity(Session& session, std::span<const Token> text, const StreamPerplexityOptions& options) {
  if (text.size() < 2) {
    return make_error(ErrorCode::kInvalidArgument, "text: expected at least 2 tokens, found {}", text.size());
  }
  session.reset();
  Reader reader(session, text, options);
  // The last token of a text that is read once has none after it.
  uint64_t left = options.n_tokens != 0 ? options.n_tokens : text.size() - 1;
  while (left > 0) {
    const size_t n = static_cast<size_t>(std::min<uint64_t>(left, options.stretch));
    SAIN_ASSIGN_OR_RETURN(const TextStretch stretch, reader.read(n));
    if (options.on_stretch) options.on_stretch(stretch);
    left -= n;
  }
  return {};
}

}  // namespace sain::engine
