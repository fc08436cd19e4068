// How probable a model itself finds the tokens that it generates.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/sampling/truncation.h"
#include "formats/result.h"
#include "formats/tokenizer.h"
#include "kernels/reduce/reduce.h"

namespace sain::engine {

using formats::Token;

/// `logprob` is the natural logarithm of the token's probability under the model's own distribution: the softmax of the
/// logits as the forward pass gives them, at temperature 1, before a grammar, bias, penalties and truncation. It says
/// how likely the model finds the token, not how likely the sampler was to choose it.
struct TokenLogprob {
  Token token = 0;
  double logprob = 0;
};

/// A token that was chosen, and the most probable ones that could have been, which it need not be among.
struct ChosenToken {
  Token token = 0;
  double logprob = 0;             // as in TokenLogprob; NaN where a logit is
  std::vector<TokenLogprob> top;  // the most probable first, equal ones by the lower id
};

/// Looks at logits between a forward pass and the sampler, which changes them. One per generation, used by one thread.
class LogprobMeter {
 public:
  static constexpr uint32_t kMostTop = 20;

  /// `n_top`: alternatives to each token, fewer where fewer logits are finite. Errors: kInvalidArgument (more than
  /// kMostTop).
  static Result<LogprobMeter> create(uint32_t n_top, size_t vocab_size, const kernels::Reduce& reduce);

  /// `logits`: (vocab_size; what lies beyond is never chosen and does not count).
  void observe(std::span<const float> logits);

  /// Of the logits that were observed last.
  ChosenToken of(Token token) const;

 private:
  LogprobMeter(uint32_t n_top, size_t vocab_size, const kernels::Reduce& reduce);

  uint32_t n_top_;
  kernels::Reduce reduce_;
  std::vector<float> logits_;    // (vocab)
  double log_sum_ = 0;           // ln of the softmax's denominator
  std::vector<Candidate> best_;  // (n_top), in rank order
};

}  // namespace sain::engine
