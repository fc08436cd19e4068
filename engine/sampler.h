// From logits to the next token: penalties, then truncation, then a draw.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/sampling/draws.h"
#include "engine/sampling/truncation.h"
#include "formats/result.h"
#include "formats/tokenizer.h"
#include "kernels/reduce/reduce.h"

namespace sain::engine {

using formats::Token;

/// Every stage is off at its default. Stages run in the order of the fields: bias, penalties, DRY, then (unless
/// temperature is 0, which is greedy) top_k, typical_p, top_p, min_p, temperature, draw. Each sees the distribution
/// that the stage before left, made to sum to one again. What each computes stands in engine/sampling/.
struct SamplerOptions {
  std::vector<std::pair<Token, float>> logit_bias = {};  // added to the logit; -inf forbids a token

  int penalty_last_n = 64;       // tokens of history that the three penalties see; -1: all
  float repetition_penalty = 1;  // > 0; divides positive and multiplies negative logits (CTRL, arXiv 1909.05858)
  float frequency_penalty = 0;   // -2..2; subtracted once per occurrence
  float presence_penalty = 0;    // -2..2; subtracted once

  float dry_multiplier = 0;    // >= 0; DRY: penalty = multiplier * base^(match - allowed_length)
  float dry_base = 1.75f;      // >= 1
  int dry_allowed_length = 2;  // >= 1
  int dry_last_n = -1;         // -1: all
  std::vector<std::string> dry_breakers = {"\n", ":", "\"", "*"};  // a token whose text contains one ends matches,
                                                                   // as does one without text (control tokens)

  int top_k = 0;          // 0: off
  float typical_p = 1;    // 0..1; locally typical sampling, arXiv 2202.00666
  float top_p = 1;        // 0..1; nucleus sampling, arXiv 1904.09751
  float min_p = 0;        // 0..1; arXiv 2407.01082
  float temperature = 0;  // 0: greedy
  uint64_t seed = 0;      // the same seed and logits give the same draws, on every machine
};

/// All that sample() does, where logits stay as they are and their order is all that narrows them down; as in
/// SamplerOptions.
struct PlainSampling {
  uint32_t top_k = 0;
  float top_p = 1;
  float min_p = 0;
  float temperature = 1;  // > 0

  bool operator==(const PlainSampling&) const = default;
};

/// Owns its scratch memory and random state; one per generation, used by one thread. Allocates only in create(),
/// except that DRY's scratch grows with the history.
class Sampler {
 public:
  /// Errors: kInvalidArgument naming the field and its value.
  static Status validate(const SamplerOptions& options, size_t vocab_size);

  /// `reduce`: the kernels that go over the vocabulary; all of them choose alike. Errors: those of validate().
  static Result<Sampler> create(const SamplerOptions& options, const formats::Tokenizer& tokenizer,
                                const kernels::Reduce& reduce);

  /// As above, for a vocabulary that is not a tokenizer's. `piece` gives a token's text and is asked only for DRY.
  static Result<Sampler> create(const SamplerOptions& options, size_t vocab_size,
                                const std::function<std::string(Token)>& piece,
                                const kernels::Reduce& reduce = kernels::select_reduce(kernels::Isa::kScalar));

  /// Picks a token. `logits` (vocab size; what lies beyond is never chosen) is changed in place; `history` is prompt
  /// and output so far, oldest first. Greedy ties go to the lowest id. Non-finite logits are never chosen unless all
  /// are: then the answer is 0. A greedy choice draws no random number, any other exactly one.
  Token sample(std::span<float> logits, std::span<const Token> history);

  /// For a device that chooses in its stead: what there is to do, unless it is more than this, and a number of draws()
  /// to take() for each token.
  std::optional<PlainSampling> plain_sampling() const;
  Draws& draws() { return draws_; }

  const SamplerOptions& options() const { return options_; }

 private:
  Sampler(const SamplerOptions& options, size_t vocab_size, const kernels::Reduce& reduce);
  double collect_nucleus(std::span<const float> logits);

  SamplerOptions options_;
  kernels::Reduce reduce_;
  VocabularyWeights weights_{0};         // (vocab)
  std::vector<Candidate> candidates_;    // (vocab)
  std::vector<Candidate> scratch_;       // (vocab)
  std::vector<uint8_t> is_dry_breaker_;  // (vocab); empty without DRY
  std::vector<uint32_t> counts_;         // (vocab), all zero between calls
  std::vector<uint32_t> match_length_;   // DRY scratch
  Draws draws_;
};

}  // namespace sain::engine
