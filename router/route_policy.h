// The decision who answers a request: a pure function.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "router/registry.h"
#include "router/route_head.h"

namespace sain::router {

struct RoutePolicy {
  double threshold = 0.6;      // 0 to 1; a specialist needs at least this confidence
  double min_familiarity = 0;  // 0 to 1; and a request at least this one, see Classification
};

struct RouteRequest {
  std::string_view text;
  Classification classification = {};  // without probabilities when nothing was classified
};

enum class RouteCause {
  kExplicit,        // @name
  kConfident,       // the most probable member, sure enough
  kBelowThreshold,  // a specialist was most probable, but not sure enough
  kUnfamiliar,      // a specialist was most probable, but the request is like none of the examples
  kUnclassified,    // there are no probabilities
};
std::string_view to_string(
    RouteCause cause);  // "explicit", "confident", "below_threshold", "unfamiliar", "unclassified"

struct RouteDecision {
  SpecialistId target = kAssistant;
  RouteCause cause = RouteCause::kUnclassified;
  double confidence = 0;              // of the most probable member; 1 when explicit
  double margin = 0;                  // its lead over the second
  double familiarity = 1;             // see Classification
  std::vector<double> probabilities;  // by member; empty when there are none
  std::string request;                // the text without its @name
  std::string reason;                 // for people, one line
};

/// An @name that leads the text, and the rest of the text behind it.
struct Mention {
  std::string_view name;  // without the @; empty when the text does not start with @ and a letter
  std::string_view rest;
};
Mention split_mention(std::string_view text);

/// The explicit @name wins. Otherwise the intents' probabilities are summed to members (fine intents are told apart
/// better than whole domains), and the most probable one answers, if it is the assistant or the policy's confidence and
/// familiarity are reached. An @word that names nobody is part of the text ("@media in CSS"), and the reason says so.
RouteDecision decide(const RouteRequest& request, const RegistrySnapshot& registry, const RoutePolicy& policy);

}  // namespace sain::router
