#include "engine/logprobs.h"

#include <algorithm>

#include "engine/log_sum_exp.h"

namespace sain::engine {

Result<LogprobMeter> LogprobMeter::create(uint32_t n_top, size_t vocab_size, const kernels::Reduce& reduce) {
  if (n_top > kMostTop)
    return make_error(ErrorCode::kInvalidArgument, "top_logprobs must be between 0 and {}, but is {}", kMostTop, n_top);
  return LogprobMeter(n_top, vocab_size, reduce);
}

LogprobMeter::LogprobMeter(uint32_t n_top, size_t vocab_size, const kernels::Reduce& reduce)
    : n_top_(n_top), reduce_(reduce), logits_(vocab_size) {
  best_.reserve(2 * size_t{n_top});
}

void LogprobMeter::observe(std::span<const float> logits) {
  std::ranges::copy(logits.first(logits_.size()), logits_.begin());
  log_sum_ = log_sum_exp(logits_, reduce_);
  if (n_top_ > 0) collect_top_k(logits_, n_top_, reduce_, best_);
}

ChosenToken LogprobMeter::of(Token token) const {
  const auto logprob = [this](float logit) { return static_cast<double>(logit) - log_sum_; };
  ChosenToken chosen{token, logprob(logits_[static_cast<size_t>(token)]), {}};
  chosen.top.reserve(best_.size());
  for (const Candidate& candidate : best_) chosen.top.push_back({candidate.token, logprob(candidate.logit)});
  return chosen;
}

}  // namespace sain::engine
