// How well requests are routed, measured on labelled ones.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/result.h"
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

}  // namespace sain::router
