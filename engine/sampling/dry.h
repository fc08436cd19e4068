// DRY ("don't repeat yourself"): a penalty on tokens that would continue a repetition of earlier text word for word.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "formats/tokenizer.h"

namespace sain::engine {

using formats::Token;

struct DryPenalty {
  float multiplier = 0;    // 0: off
  float base = 1.75f;      // >= 1
  int allowed_length = 2;  // repetitions shorter than this are free
  int last_n = -1;         // tokens of history that are searched; -1: all
};

/// Let m be the length of the longest suffix of `history` that occurred earlier and was followed there by token t
/// (the two may overlap). If m >= allowed_length, then logits[t] -= multiplier * base^(m - allowed_length).
/// Suffixes end at a breaker: the match never contains one, and no breaker is penalised itself. `is_breaker` and
/// `counts` have the size of `logits`; `counts` is scratch, all zero before and after; `match_length` is scratch
/// that grows to the history. Time O(history). The idea is p-e-w's (text-generation-webui, pull request 5677);
/// the matches come from the Z-function (Gusfield, Algorithms on Strings, 1.3) of the history read backwards.
void apply_dry(std::span<float> logits, std::span<const Token> history, const DryPenalty& dry,
               std::span<const uint8_t> is_breaker, std::span<uint32_t> counts, std::vector<uint32_t>& match_length);

}  // namespace sain::engine
