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

struct RouteReport {
  std::vector<std::vector<uint32_t>> confusion;  // (n_members + 1, n_members): label (the last: out of scope), target
  uint32_t n_in_scope = 0;
  uint32_t n_out_of_scope = 0;
  double accuracy = 0;           // of requests in scope: the share that went where it belongs
  double rejected = 0;           // of requests out of scope: the share that the assistant answers
  double threshold_at_95 = 0;    // the threshold that lets 95 % of the specialists' requests through,
  double rejected_at_95 = 0;     // and the share out of scope that stays below it
  double auroc = 0;              // of the specialists' probability: their requests against those out of scope
  double calibration_error = 0;  // expected, over ten bins of confidence (Naeini et al. 2015)
  double median_ms = 0;
  double p95_ms = 0;
};

/// Requests that name a member (@name) have no place here: every decision must carry probabilities.
RouteReport report(const std::vector<RoutedRequest>& routed, const RegistrySnapshot& registry);

}  // namespace sain::router
