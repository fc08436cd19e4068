#include "engine/sampling/truncation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "engine/sampling/exp.h"

namespace sain::engine {
namespace {

bool before(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

float greatest_logit(std::span<const Candidate> candidates) {
  float greatest = -std::numeric_limits<float>::infinity();
  for (const Candidate& candidate : candidates) greatest = std::max(greatest, candidate.logit);
  return greatest;
}

/// Keeps the smallest set of candidates, taken by rising key(candidate) >= 0 and then by id, that has at least the
/// part p of `total`. To sort no more than needed, weights are first summed in buckets of the key; only the
/// bucket in which the sum crosses p is sorted.
template <class Key>
void keep_mass(std::vector<Candidate>& candidates, float p, double total, std::vector<Candidate>& scratch, Key&& key) {
  constexpr size_t kBuckets = 1024;
  constexpr double kBucketsPerUnit = 32;  // 32 units of logit: what lies beyond has no weight worth sorting
  const auto bucket_of = [&](const Candidate& candidate) {
    return static_cast<size_t>(std::min(key(candidate) * kBucketsPerUnit, double{kBuckets - 1}));
  };
  std::array<double, kBuckets> mass{};
  for (const Candidate& candidate : candidates) mass[bucket_of(candidate)] += double{candidate.weight};

  const double wanted = std::max(double{p} * total, std::numeric_limits<double>::min());  // p = 0 keeps one
  size_t border = 0;
  double sum = 0;
  while (border + 1 < kBuckets && sum + mass[border] < wanted) sum += mass[border++];

  const auto earlier = [&](const Candidate& a, const Candidate& b) {
    const double key_a = key(a), key_b = key(b);
    return key_a != key_b ? key_a < key_b : a.token < b.token;
  };
  scratch.clear();
  for (const Candidate& candidate : candidates) {
    if (bucket_of(candidate) == border) scratch.push_back(candidate);
  }
  std::sort(scratch.begin(), scratch.end(), earlier);
  size_t n_kept = 0;  // of the border's bucket
  while (n_kept < scratch.size() && sum < wanted) sum += double{scratch[n_kept++].weight};

  std::erase_if(candidates, [&](const Candidate& candidate) {
    const size_t bucket = bucket_of(candidate);
    if (bucket != border) return bucket > border;
    return n_kept == 0 || earlier(scratch[n_kept - 1], candidate);
  });
}

}  // namespace

Token greedy(std::span<const float> logits) {
  float best = -std::numeric_limits<float>::infinity();
  Token token = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] > best && std::isfinite(logits[i])) {
      best = logits[i];
      token = static_cast<Token>(i);
    }
  }
  return token;
}

void collect_finite(std::span<const float> logits, std::vector<Candidate>& candidates) {
  candidates.clear();
  for (size_t i = 0; i < logits.size(); ++i) {
    if (std::isfinite(logits[i])) candidates.push_back({static_cast<Token>(i), logits[i], 0});
  }
}

void collect_weighty(std::span<const float> logits, const VocabularyWeights& weights, float floor,
                     std::vector<Candidate>& candidates) {
  candidates.clear();
  for (size_t i = 0; i < logits.size(); ++i) {
    if (weights[i] >= floor) candidates.push_back({static_cast<Token>(i), logits[i], weights[i]});
  }
}

void collect_top_k(std::span<const float> logits, size_t k, const kernels::Reduce& reduce,
                   std::vector<Candidate>& candidates) {
  candidates.clear();
  const auto truncate_to_k = [&] {
    if (candidates.size() <= k) return;
    std::nth_element(candidates.begin(), candidates.begin() + static_cast<ptrdiff_t>(k - 1), candidates.end(), before);
    candidates.resize(k);
  };
  // Once k are known, only a logit above the least of them can still enter: later ids lose ties.
  float threshold = -std::numeric_limits<float>::infinity();
  const auto next = [&](size_t begin) { return reduce.find_above(logits.data(), begin, logits.size(), threshold); };
  for (size_t i = next(0); i < logits.size(); i = next(i + 1)) {
    if (!std::isfinite(logits[i])) continue;
    candidates.push_back({static_cast<Token>(i), logits[i], 0});
    if (k <= logits.size() / 2 && candidates.size() == 2 * k) {
      truncate_to_k();
      threshold = candidates.back().logit;
    }
  }
  truncate_to_k();
  std::sort(candidates.begin(), candidates.end(), before);
}

double set_weights(std::span<Candidate> candidates, float temperature) {
  const float greatest = greatest_logit(candidates);
  for (Candidate& candidate : candidates) {
    candidate.weight = exp_nonpositive((candidate.logit - greatest) / temperature);
  }
  double total = 0;
  for (const Candidate& candidate : candidates) total += double{candidate.weight};
  return total;
}

void keep_top_p(std::vector<Candidate>& candidates, float p, double left_out, std::vector<Candidate>& scratch) {
  const double total = set_weights(candidates, 1) + left_out;
  const double greatest = double{greatest_logit(candidates)};
  keep_mass(candidates, p, total, scratch,
            [=](const Candidate& candidate) { return greatest - double{candidate.logit}; });
}

void keep_typical(std::vector<Candidate>& candidates, float p, std::vector<Candidate>& scratch) {
  const double total = set_weights(candidates, 1);
  double expected = 0;
  for (const Candidate& candidate : candidates) expected += double{candidate.weight} * double{candidate.logit};
  expected /= total;
  keep_mass(candidates, p, total, scratch,
            [=](const Candidate& candidate) { return std::fabs(double{candidate.logit} - expected); });
}

void keep_min_p(std::vector<Candidate>& candidates, float p) {
  set_weights(candidates, 1);
  std::erase_if(candidates, [=](const Candidate& candidate) { return candidate.weight < p; });
}

Token draw(std::span<const Candidate> candidates, double total, double number) {
  const double target = number * total;
  double sum = 0;
  Token last = candidates.front().token;
  for (const Candidate& candidate : candidates) {
    if (candidate.weight == 0) continue;
    sum += double{candidate.weight};
    last = candidate.token;
    if (sum > target) break;
  }
  return last;  // the last one where rounding left the sum at or below the target
}

}  // namespace sain::engine
