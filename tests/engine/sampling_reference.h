// The sampler's truncation and draw, written for clarity alone: everything sorted, everything in long double.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <span>
#include <vector>

#include "engine/sampler.h"

namespace sain::engine::reference {

struct Item {
  Token token;
  long double logit;
};
using Items = std::vector<Item>;

inline bool before(const Item& a, const Item& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}
inline bool by_id(const Item& a, const Item& b) {
  return a.token < b.token;
}

inline std::vector<long double> probabilities(const Items& items, long double temperature) {
  const long double greatest = std::min_element(items.begin(), items.end(), before)->logit;
  std::vector<long double> p;
  long double sum = 0;
  for (const Item& item : items) sum += p.emplace_back(std::exp((item.logit - greatest) / temperature));
  for (long double& x : p) x /= sum;
  return p;
}

/// The shortest beginning of `items` whose probability reaches p; at least one.
inline Items beginning(Items items, long double p) {
  const auto all = probabilities(items, 1);
  long double sum = 0;
  size_t n = 0;
  while (n < items.size() && (n == 0 || sum < p)) sum += all[n++];
  items.resize(n);
  return items;
}

inline Items top_p(Items items, long double p) {
  std::sort(items.begin(), items.end(), before);
  return beginning(std::move(items), p);
}

inline Items typical_p(Items items, long double p) {
  const auto all = probabilities(items, 1);
  long double entropy = 0;
  for (const long double x : all) entropy -= x > 0 ? x * std::log(x) : 0;
  std::vector<std::pair<long double, Item>> keyed;
  for (size_t i = 0; i < items.size(); ++i) keyed.push_back({std::fabs(-std::log(all[i]) - entropy), items[i]});
  std::sort(keyed.begin(), keyed.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : a.second.token < b.second.token;
  });
  for (size_t i = 0; i < items.size(); ++i) items[i] = keyed[i].second;
  return beginning(std::move(items), p);
}

inline Items min_p(const Items& items, long double p) {
  const auto all = probabilities(items, 1);
  const long double greatest = *std::max_element(all.begin(), all.end());
  Items kept;
  for (size_t i = 0; i < items.size(); ++i) {
    if (all[i] >= p * greatest) kept.push_back(items[i]);
  }
  return kept;
}

/// What is left after all truncation, in the order in which the sampler draws.
inline Items truncate(std::span<const float> logits, const SamplerOptions& options) {
  Items items;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (std::isfinite(logits[i])) items.push_back({static_cast<Token>(i), logits[i]});
  }
  std::sort(items.begin(), items.end(), before);
  if (items.empty()) return items;
  if (options.top_k > 0 && items.size() > static_cast<size_t>(options.top_k)) items.resize(options.top_k);
  if (options.typical_p < 1) items = typical_p(items, options.typical_p);
  if (options.top_p < 1) items = top_p(items, options.top_p);
  if (options.min_p > 0) items = min_p(items, options.min_p);
  std::sort(items.begin(), items.end(), options.top_k > 0 ? before : by_id);
  return items;
}

/// The token that the number u in [0, 1) picks, and how far u is from the nearest border between two tokens.
inline std::pair<Token, long double> pick(const Items& items, long double temperature, long double u) {
  const auto all = probabilities(items, temperature);
  long double sum = 0;
  Token token = items.back().token;
  long double distance = 1;
  for (size_t i = 0; i < items.size(); ++i) {
    sum += all[i];
    distance = std::min(distance, std::fabs(sum - u));
    if (sum > u) {
      token = items[i].token;
      break;
    }
  }
  return {token, distance};
}

}  // namespace sain::engine::reference
