#include "engine/prompt_lookup.h"

#include <algorithm>

namespace sain::engine {
namespace {

/// Weight of a new observation in a running mean: half of what is known is about 11 (hits) or 5 (times) old.
constexpr double kNewHit = 1.0 / 16, kNewTime = 1.0 / 8;
/// A draft has to promise this much more than a plain step: both rates are estimates.
constexpr double kMargin = 1.05;

}  // namespace

std::span<const Token> PromptLookup::propose(std::span<const Token> history) {
  const size_t next = find(history);
  n_draft_ = match_ < kMinMatch ? 0 : kMaxDraft;
  for (size_t i = 0; i < n_draft_; ++i) {
    // Past the end of the history comes what the draft itself holds: a repetition goes on.
    const size_t from = next + i;
    draft_[i] = from < history.size() ? history[from] : draft_[from - history.size()];
  }
  return std::span(draft_).first(best_length());
}

/// What follows the latest of the longest matches of the history's end (at most kMaxMatch tokens) with an earlier part
/// of it; sets match_ to their length.
size_t PromptLookup::find(std::span<const Token> history) {
  match_ = 0;
  size_t next = 0;
  const size_t n = history.size();
  for (size_t end = n - std::min<size_t>(n, 1); end > 0 && match_ < kMaxMatch; --end) {
    size_t length = 0;  // of the match that ends before `end`
    while (length < std::min(end, kMaxMatch) && history[end - 1 - length] == history[n - 1 - length]) ++length;
    if (length > match_) {
      match_ = length;
      next = end;
    }
  }
  return next;
}

void PromptLookup::observe(std::span<const Token> actual) {
  double& rate = hit_rate_[match_];
  for (size_t i = 0; i < std::min(n_draft_, actual.size()); ++i) {
    const bool hit = draft_[i] == actual[i];
    rate += kNewHit * ((hit ? 1 : 0) - rate);
    if (!hit) break;
  }
  n_draft_ = 0;
}

void PromptLookup::observe_pass(size_t n_tokens, double ms) {
  double& known = pass_ms_[n_tokens];
  known = known == 0 ? ms : known + kNewTime * (std::min(ms, 2 * known) - known);  // one hiccup is not the rule
}

/// The number of drafted tokens that gives the most tokens a millisecond. If each comes true with probability p where
/// those before it did, a pass over k of them gives 1 + p + ... + p^k tokens.
size_t PromptLookup::best_length() const {
  size_t best = 0;
  double most = kMargin / cost(1), power = 1, tokens = 1;
  for (size_t k = 1; k <= n_draft_; ++k) {
    power *= hit_rate_[match_];
    tokens += power;
    if (const double speed = tokens / cost(k + 1); speed > most) {
      most = speed;
      best = k;
    }
  }
  return best;
}

/// Milliseconds of a pass, or multiples of a single token's while nothing is known. A length that was never tried is
/// taken to cost what the next shorter known one does and a tenth of a single token's for each token more: weights are
/// read once for all, and products cost less than that on the machines measured.
double PromptLookup::cost(size_t n_tokens) const {
  size_t known = n_tokens;
  while (known > 1 && pass_ms_[known] == 0) --known;
  const double one = pass_ms_[1] == 0 ? 1 : pass_ms_[1];
  return (known == 1 ? one : pass_ms_[known]) + static_cast<double>(n_tokens - known) * one / 10;
}

}  // namespace sain::engine
