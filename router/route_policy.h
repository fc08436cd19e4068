// The decision who answers a request: a pure function.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "router/registry.h"
#include "router/route_head.h"

namespace sain::router {

struct RoutePolicy {
  double threshold = 0.6;      // 0 to 1; a specialist needs at least this confidence
  double min_familiarity = 0;  // 0 to 1; and a request at least this one, see Classification
  double stickiness = 1;  // by this factor the odds of whoever answered last are better, so that a conversation does
                          // not flap; 1: not at all
};

/// How much is spent on an answer (after Dualformer, arXiv 2410.09918).
enum class Mode {
  kAuto,  // as the policy says
  kFast,  // the assistant alone
  kSlow,  // the most probable specialist, however sure
};
std::optional<Mode> find_mode(std::string_view name);  // "auto", "fast", "slow"
std::string_view to_string(Mode mode);

struct RouteRequest {
  std::string_view text;
  Classification classification = {};        // without probabilities when nothing was classified
  std::optional<SpecialistId> current = {};  // who answered last in this conversation
  Mode mode = Mode::kAuto;
};

enum class RouteCause {
  kExplicit,        // @name
  kConfident,       // the most probable member, sure enough
  kBelowThreshold,  // a specialist was most probable, but not sure enough
  kUnfamiliar,      // a specialist was most probable, but the request is like none of the examples
  kFollowUp,        // a short request, to whoever answered last
  kMode,            // the mode left no choice
  kUnclassified,    // there are no probabilities
};
std::string_view to_string(RouteCause cause);  // "explicit", "confident", "below_threshold", "unfamiliar", ...

struct RouteDecision {
  SpecialistId target = kAssistant;
  RouteCause cause = RouteCause::kUnclassified;
  double confidence = 0;                         // of the most probable member; 1 when explicit
  double margin = 0;                             // its lead over the second
  double familiarity = 1;                        // see Classification
  std::vector<double> probabilities;             // by member; empty when there are none
  std::optional<SpecialistId> second_best = {};  // the specialist that answers if the target fails
  std::string request;                           // the text without its @name
  std::string reason;                            // for people, one line
};

/// An @name that leads the text, and the rest of the text behind it.
struct Mention {
  std::string_view name;  // without the @; empty when the text does not start with @ and a letter
  std::string_view rest;
};
Mention split_mention(std::string_view text);

/// The explicit @name wins. Otherwise the intents' probabilities are summed to members (fine intents are told apart
/// better than whole domains), and the most probable one answers, if it is the assistant or the policy's confidence and
/// familiarity are reached. A short request goes to whoever answered last, familiar or not, if that is the most
/// probable: "and in Rust?". An @word that names nobody is part of the text ("@media in CSS"), and the reason says so.
RouteDecision decide(const RouteRequest& request, const RegistrySnapshot& registry, const RoutePolicy& policy);

/// A member that was asked for otherwise than by the text, which stays as it is.
RouteDecision decide_for(SpecialistId member, std::string_view text, const RegistrySnapshot& registry);

}  // namespace sain::router
