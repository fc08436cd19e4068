// How fast a model runs: tokens a second of prefill, of decode, and of both in turn.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <vector>

#include "engine/model.h"
#include "engine/session.h"
#include "formats/result.h"

namespace sain::tools {

/// What is measured in one row of a sweep.
struct BenchCase {
  unsigned n_threads = 1;
  uint32_t n_prompt = 512;  // 0: no prefill
  uint32_t n_decode = 128;  // 0: no decode
  uint32_t depth = 0;       // tokens in the context already when decode begins; prefill begins with none
  uint32_t n_batch = 1;     // tokens appended by each step of decode

  uint32_t context_length() const;  // that it needs
};

/// Over the repetitions; all zero where nothing was measured.
struct Spread {
  double median = 0, min = 0, max = 0;

  explicit operator bool() const { return median > 0; }
};
Spread spread_of(std::vector<double> values);  // at least one

/// Tokens a second.
struct BenchSpeed {
  Spread prefill;
  Spread decode;
  Spread mixed;  // the prompt, then decode after it: all their tokens over all their time
};

struct BenchOptions {
  unsigned n_reps = 5;
  std::stop_token stop = {};
  std::function<void(double fraction)> on_progress = {};  // 0 to 1; may be empty
};

/// Measures `test` with random tokens, after a short warm-up. `session` has room for context_length() tokens, and the
/// threads of test.n_threads; it is reset. Errors: kCancelled and those of Session.
Result<BenchSpeed> measure_speed(engine::Session& session, const BenchCase& test, const BenchOptions& options);

/// What a token costs, from the shapes of the weights as the file stores them.
struct TokenCost {
  uint64_t weight_bytes = 0;  // read by a step of decode: all but an embedding of its own, of which it takes a row
  uint64_t layer_macs = 0;    // products of a token with the matrices of all layers; attention is not counted
  uint64_t output_macs = 0;   // with the output matrix, for tokens whose logits are wanted
};
TokenCost token_cost(const formats::GgufFile& file);

}  // namespace sain::tools
