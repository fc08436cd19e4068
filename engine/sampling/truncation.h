// The candidates for the next token, and the rules that narrow them down.
//
// Rank order, here and everywhere: the greater logit first, equal logits by the lower id. Every function leaves at
// least one candidate and an order that depends on the logits alone, so that a seed means the same on every machine.
#pragma once

#include <span>
#include <vector>

#include "engine/sampling/vocabulary_weights.h"
#include "formats/tokenizer.h"
#include "kernels/reduce/reduce.h"

namespace sain::engine {

using formats::Token;

struct Candidate {
  Token token;
  float logit;
  float weight;  // proportional to its probability; set by set_weights()
};

/// The id of the greatest finite logit, the lowest id on ties; 0 where none is finite. Not for empty logits.
Token greedy(std::span<const float> logits);

/// All finite logits, in the order of ids. Allocates only where the capacity of `candidates` is too small.
void collect_finite(std::span<const float> logits, std::vector<Candidate>& candidates);

/// The tokens whose weight is at least `floor` > 0, with these weights, in the order of ids.
void collect_weighty(std::span<const float> logits, const VocabularyWeights& weights, float floor,
                     std::vector<Candidate>& candidates);

/// The k > 0 first of all finite logits in rank order, in that order. O(vocab + k log k); needs a capacity of
/// min(2 k, vocab).
void collect_top_k(std::span<const float> logits, size_t k, const kernels::Reduce& reduce,
                   std::vector<Candidate>& candidates);

/// weight = e^((logit - greatest logit) / temperature), temperature > 0. Returns the sum of all weights.
double set_weights(std::span<Candidate> candidates, float temperature);

/// Nucleus sampling (arXiv 1904.09751): the shortest beginning of the rank order whose probability is at least p,
/// 0 <= p <= 1. Keeps the order that the candidates have. `left_out` is the weight, beside 1 of the first candidate, of
/// tokens that come after all candidates and count towards the whole.
void keep_top_p(std::vector<Candidate>& candidates, float p, double left_out, std::vector<Candidate>& scratch);

/// Locally typical sampling (arXiv 2202.00666): as keep_top_p, but ordered by how far a candidate's surprise is from
/// the expected one, | -ln p_i - H |. As ln p_i = logit_i - ln Z, that is | logit_i - sum_j p_j logit_j |.
void keep_typical(std::vector<Candidate>& candidates, float p, std::vector<Candidate>& scratch);

/// Min-p (arXiv 2407.01082): the candidates with at least `p` times the probability of the most likely one.
void keep_min_p(std::vector<Candidate>& candidates, float p);

/// Chooses by weight: the first candidate at which the sum of weights exceeds `number` * total, 0 <= number < 1.
/// `total` is set_weights()'s.
Token draw(std::span<const Candidate> candidates, double total, double number);

}  // namespace sain::engine
