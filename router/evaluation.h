// How well requests are routed, measured on labelled ones.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/result.h"
#include "router/draft_gate.h"
#include "router/registry.h"
#include "router/route_policy.h"

namespace sain::router {

struct LabelledRequest {
  std::string text;
  std::optional<SpecialistId> label;  // none: out of scope, so the assistant should answer
};

/// Reads `name = ["request", ...]` for each member, "assistant" and "out_of_scope". Errors: kInvalidArgument naming
/// file, line and name.
Result<std::vector<LabelledRequest>> parse_labelled_requests(std::string_view text, const std::string& file,
                                                             const RegistrySnapshot& registry);

/// A decision on a labelled request, and how long it took.
struct RoutedRequest {
  LabelledRequest request;
  RouteDecision decision;
  double ms = 0;
};

/// What a threshold on a score lets through of what it should, and stops of what it should not.
struct RejectionPoint {
  double kept = 0;       // share of the requests that should pass
  double threshold = 0;  // that keeps as many
  double rejected = 0;   // share of those out of scope that stay below it
};
struct GateReport {
  double auroc = 0;
  std::vector<RejectionPoint> curve;  // at 99, 97.5, 95, 90, 80 % kept
  const RejectionPoint& at_95() const { return curve.at(2); }
};

struct RouteReport {
  std::vector<std::vector<uint32_t>> confusion;  // (n_members + 1, n_members): label (the last: out of scope), target
  uint32_t n_in_scope = 0;
  uint32_t n_out_of_scope = 0;
  double accuracy = 0;           // of requests in scope: the share that went where it belongs
  double most_probable = 0;      // the same, if the most probable member always answered
  double rejected = 0;           // of requests out of scope: the share that the assistant answers
  GateReport confidence;         // the most probable specialist's probability: specialists' requests should pass
  GateReport familiarity;        // all in scope should pass
  double calibration_error = 0;  // expected, over ten bins of confidence (Naeini et al. 2015), in scope
  double median_ms = 0;
  double p95_ms = 0;
};

/// Requests that name a member (@name) have no place here: every decision must carry probabilities.
RouteReport report(const std::vector<RoutedRequest>& routed, const RegistrySnapshot& registry);

/// A request, and how probable the assistant finds the first tokens of its own answer to it.
struct DraftedRequest {
  RoutedRequest routed;
  std::vector<double> logprobs;  // see Coordinator::draft()
};

/// How well the confidence of drafts tells what the assistant should answer, and what is out of scope, from what
/// belongs to a specialist; of all requests, and of the unsure ones (RouteCause::kBelowThreshold), which it decides on.
struct DraftReport {
  struct Measure {
    DraftMeasure measure = DraftMeasure::kMean;
    size_t n_tokens = 0;  // at most, of each draft
    double auroc = 0, unsure_auroc = 0;
  };
  struct Point {
    double threshold = 0;      // of DraftMeasure::kMean over DraftGate::kTokens
    uint32_t n_escalated = 0;  // unsure requests whose drafts have less
    uint32_t n_right = 0;      // unsure requests that whoever should then answers
  };
  uint32_t n_own = 0, n_others = 0;                // the assistant's, specialists'
  uint32_t n_unsure_own = 0, n_unsure_others = 0;  // of these: unsure
  std::vector<Measure> measures;
  std::vector<Point> points;
};
DraftReport report_drafts(const std::vector<DraftedRequest>& drafted);

}  // namespace sain::router
