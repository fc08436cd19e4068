// How far a model's predictions are from a reference's, over a text: for judging quantizations and kernels.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>

#include "engine/session.h"
#include "formats/result.h"

namespace sain::engine {

struct KlDivergence {
  double mean_kld = 0;  // of KL(reference || model) = sum_i p_i ln(p_i / q_i), in nats
  double max_kld = 0;
  double top1_agreement = 0;  // part of the positions where both have the same most likely token
  size_t n_tokens = 0;        // positions compared: all of each chunk
};

struct KlDivergenceOptions {
  uint32_t context = 512;  // tokens per chunk, see text_chunks.h
  std::stop_token stop = {};
  std::function<void(size_t chunks_done, size_t n_chunks)> on_progress = {};  // may be empty
};

/// KL(p || q) of the softmax distributions p of `reference` and q of `model`, of equal size; never negative.
double kl_divergence(std::span<const float> reference, std::span<const float> model);

/// Compares two models chunk by chunk, holding the reference's logits of a few tokens at a time (64 MiB). Resets both
/// sessions, which may not be the same. Errors: those of TextChunks; kInvalidArgument where the vocabularies differ
/// in size or an id is outside them; kCancelled; kInternal where logits are not finite.
Result<KlDivergence> kl_divergence(Session& reference, Session& model, std::span<const Token> tokens,
                                   const KlDivergenceOptions& options);

}  // namespace sain::engine
