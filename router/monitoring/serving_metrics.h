// What answering requests counts and measures, under the names by which it is published.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "router/monitoring/energy.h"
#include "router/monitoring/metrics_registry.h"
#include "router/monitoring/status_report.h"
#include "router/registry.h"

namespace sain::router {

enum class Stage {
  kRoute,       // classifying and deciding
  kLoad,        // until the model was in memory; not counted where it was there already
  kPrefill,     // computing the prompt
  kFirstToken,  // from the request to the first text of the answer
  kToken,       // each further one
};
enum class RequestEnd { kAnswered, kCancelled, kFailed };
enum class FallbackCause {
  kLoadFailed,    // the specialist's model could not be loaded
  kAnswerFailed,  // it failed while it answered
  kTooLate,       // it had not begun in time
  kRefused,       // it said that it will not
  kNoAnswer,      // it said nothing
  kUnsure,        // it was the assistant, and not sure enough of its draft
};

std::string_view to_string(Stage stage);          // "route", "load", "prefill", "first_token", "token"
std::string_view to_string(RequestEnd end);       // "answered", "cancelled", "failed"
std::string_view to_string(FallbackCause cause);  // "load_failed", "answer_failed", ...

/// Of one request. What did not take place is 0 and not counted.
struct RequestCost {
  double route_ms = 0;
  double load_ms = 0;
  double prefill_ms = 0;
  double first_token_ms = 0;
  double decode_ms = 0;  // of all decode_tokens
  uint32_t prefill_tokens = 0;
  uint32_t decode_tokens = 0;  // after the first
};

/// Thread-safe. A request costs one call of finish(), some 100 ns.
class ServingMetrics {
 public:
  /// `program`: as people call it, "sain chat".
  ServingMetrics(std::string program, const std::vector<std::string>& members);

  /// Their names by SpecialistId; those that were there before keep their places.
  void set_members(const std::vector<std::string>& members);

  /// A request has ended, or a step of one that has several; `member` is who answered, or should have.
  void finish(SpecialistId member, RequestEnd end, const RequestCost& cost);

  /// Somebody else takes over from `from`.
  void fall_back(SpecialistId from, FallbackCause cause);

  /// This process, its requests, its memory as the kernel counts and its energy. Whoever else knows something adds it:
  /// add_residency(), and what is not the Residency's in `memory`.
  StatusReport report();

  /// The same for Prometheus, and all that `report` says beside it.
  std::string prometheus(const StatusReport& report);

  /// So that no counter of energy wraps unseen; see PackageEnergy.
  void keep_up() { energy_.joules(); }

  /// For metrics of others, which prometheus() shows too.
  MetricsRegistry& registry() { return registry_; }

 private:
  static constexpr size_t kStages = 5, kEnds = 3;

  std::string program_;
  int64_t started_;
  PackageEnergy energy_;
  MetricsRegistry registry_;
  std::array<Histogram*, kStages> stages_;
  mutable std::mutex mutex_;  // of the two below
  std::vector<std::string> members_;
  std::vector<std::array<Counter*, kEnds>> requests_;  // by SpecialistId
  Counter& prompt_tokens_;
  Counter fallbacks_;  // all of them
};

}  // namespace sain::router
