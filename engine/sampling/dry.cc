#include "engine/sampling/dry.h"

#include <algorithm>

namespace sain::engine {
namespace {

/// lengths[i] = how many tokens the history's suffixes ending at its end and i tokens before its end have in common,
/// at most `limit`; lengths[0] is not set.
void suffix_matches(std::span<const Token> history, size_t limit, std::span<uint32_t> lengths) {
  const size_t n = history.size();
  const auto backwards = [&](size_t i) { return history[n - 1 - i]; };
  size_t begin = 0, end = 0;  // [begin, end) backwards equals [0, end - begin): the match that reaches furthest
  for (size_t i = 1; i < n; ++i) {
    size_t length = i < end ? std::min<size_t>(end - i, lengths[i - begin]) : 0;
    while (length < limit && i + length < n && backwards(length) == backwards(i + length)) ++length;
    if (i + length > end) begin = i, end = i + length;
    lengths[i] = static_cast<uint32_t>(length);
  }
}

/// multiplier * base^exponent by products alone: a libm's pow may differ between machines. It stops growing at 1e30.
float penalty_of(const DryPenalty& dry, uint32_t exponent) {
  float penalty = dry.multiplier;
  for (; exponent > 0 && penalty < 1e30f && dry.base > 1; --exponent) penalty *= dry.base;
  return penalty;
}

}  // namespace

void apply_dry(std::span<float> logits, std::span<const Token> history, const DryPenalty& dry,
               std::span<const uint8_t> is_breaker, std::span<uint32_t> counts, std::vector<uint32_t>& match_length) {
  if (dry.multiplier == 0 || dry.last_n == 0) return;
  if (dry.last_n > 0) history = history.last(std::min<size_t>(history.size(), dry.last_n));
  const auto breaks = [&](Token token) {
    return static_cast<size_t>(token) >= logits.size() || is_breaker[token] != 0;
  };
  const auto last_breaker = std::find_if(history.rbegin(), history.rend(), breaks);
  const size_t limit = static_cast<size_t>(last_breaker - history.rbegin());
  if (limit == 0 || history.size() < 2) return;

  const size_t n = history.size();
  if (match_length.size() < n) match_length.resize(std::max(n, 2 * match_length.size()));
  suffix_matches(history, limit, match_length);
  // The token after the place where a match ends stands i - 1 tokens before the end.
  const auto next_token = [&](size_t i) { return history[n - i]; };
  for (size_t i = 1; i < n; ++i) {
    if (!breaks(next_token(i))) counts[next_token(i)] = std::max(counts[next_token(i)], match_length[i]);
  }
  for (size_t i = 1; i < n; ++i) {
    if (breaks(next_token(i))) continue;
    uint32_t& longest = counts[next_token(i)];
    const uint32_t allowed = static_cast<uint32_t>(dry.allowed_length);
    if (longest >= allowed) logits[next_token(i)] -= penalty_of(dry, longest - allowed);
    longest = 0;
  }
}

}  // namespace sain::engine
