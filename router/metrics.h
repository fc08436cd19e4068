// What requests cost, stage by stage.
#pragma once

#include <cstdint>
#include <vector>

namespace sain::router {

/// Of one request, in milliseconds.
struct RequestTimings {
  double route_ms = 0;        // classifying and deciding
  double load_ms = 0;         // until the answering model was in memory
  double first_token_ms = 0;  // from the request to the first text of the answer
  double total_ms = 0;
  uint32_t prefill_tokens = 0;
  uint32_t decode_tokens = 0;
};

/// Of all requests of a Coordinator.
struct Metrics {
  uint64_t n_requests = 0;
  uint64_t n_cancelled = 0;
  uint64_t n_load_failures = 0;
  uint64_t n_answer_failures = 0;   // generation failed, or gave nothing
  uint64_t n_fallbacks = 0;         // answers that somebody else had to give
  uint64_t n_errors = 0;            // requests without an answer
  std::vector<uint64_t> n_answers;  // by SpecialistId
  RequestTimings sum;               // over all requests

  void add(const RequestTimings& timings) {
    sum.route_ms += timings.route_ms;
    sum.load_ms += timings.load_ms;
    sum.first_token_ms += timings.first_token_ms;
    sum.total_ms += timings.total_ms;
    sum.prefill_tokens += timings.prefill_tokens;
    sum.decode_tokens += timings.decode_tokens;
  }
};

}  // namespace sain::router
