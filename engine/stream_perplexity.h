// Perplexity of a text without end, read by one conversation: stretch by stretch, beside what it costs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>

#include "engine/session.h"
#include "formats/result.h"

namespace sain::engine {

struct TextStretch {
  uint64_t first = 0;             // its first token, counted from the beginning
  size_t n_tokens = 0;            // the last stretch may be shorter
  double perplexity = 0;          // of the tokens that come after its own
  double ms_per_token = 0;        // with the logits of every token
  double sampled_perplexity = 0;  // of those that the oracle read too; 0: of none
  double oracle_perplexity = 0;   // what the oracle makes of them
};

struct StreamPerplexityOptions {
  size_t stretch = 10'000;    // tokens
  uint64_t n_tokens = 0;      // the text again and again, as far as that; 0: once
  Session* oracle = nullptr;  // of the same context: see oracle_step
  size_t oracle_step = 1000;  // after so many tokens, it begins again from what the session still keeps,
  size_t oracle_run = 16;     // reads so many with it, at most a step, and then rests
  std::stop_token stop = {};
  std::function<void(const TextStretch&)> on_stretch = {};
};

/// Appends `text` (at least 2 tokens; without BOS, which takes the first token's place where the model wants one) to
/// the session, which is reset before. Errors: kInvalidArgument (a text that is too short, an id outside the
/// vocabulary), kCancelled, kInternal (logits that are not finite), those of Session.
Status stream_perplexity(Session& session, std::span<const Token> text, const StreamPerplexityOptions& options);

}  // namespace sain::engine
