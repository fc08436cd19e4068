#include "router/route_policy.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <span>

namespace sain::router {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

std::string_view trim_front(std::string_view text) {
  const size_t begin = text.find_first_not_of(kSpace);
  return begin == std::string_view::npos ? std::string_view{} : text.substr(begin);
}

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_name_byte(char c) {
  return is_letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

std::vector<double> sum_to_members(const RouteRequest& request, const RegistrySnapshot& registry) {
  SAIN_CHECK(request.classification.probabilities.size() == registry.intent_owner.size());
  std::vector<double> sums(registry.names.size(), 0.0);
  for (size_t i = 0; i < request.classification.probabilities.size(); ++i)
    sums[index(registry.intent_owner[i])] += request.classification.probabilities[i];
  return sums;
}

}  // namespace

std::string_view to_string(RouteCause cause) {
  switch (cause) {
    case RouteCause::kExplicit:
      return "explicit";
    case RouteCause::kConfident:
      return "confident";
    case RouteCause::kBelowThreshold:
      return "below_threshold";
    case RouteCause::kUnfamiliar:
      return "unfamiliar";
    case RouteCause::kUnclassified:
      return "unclassified";
  }
  return "unclassified";
}

Mention split_mention(std::string_view text) {
  const std::string_view trimmed = trim_front(text);
  if (trimmed.size() < 2 || trimmed[0] != '@' || !is_letter(trimmed[1])) return {{}, text};
  size_t end = 1;
  while (end < trimmed.size() && is_name_byte(trimmed[end])) ++end;
  std::string_view rest = trimmed.substr(end);
  if (!rest.empty() && (rest[0] == ':' || rest[0] == ',')) {
    rest.remove_prefix(1);
  } else if (!rest.empty() && kSpace.find(rest[0]) == std::string_view::npos) {
    return {{}, text};  // a handle or an address, "@a.b"
  }
  return {trimmed.substr(1, end - 1), trim_front(rest)};
}

RouteDecision decide(const RouteRequest& request, const RegistrySnapshot& registry, const RoutePolicy& policy) {
  RouteDecision decision;
  decision.request = std::string(request.text);
  if (!request.classification.probabilities.empty()) decision.probabilities = sum_to_members(request, registry);

  const Mention mention = split_mention(request.text);
  std::string unknown_name;
  if (!mention.name.empty()) {
    if (const auto id = registry.find(mention.name); id && !mention.rest.empty()) {
      decision.target = *id;
      decision.cause = RouteCause::kExplicit;
      decision.confidence = decision.margin = 1;
      decision.request = std::string(mention.rest);
      decision.reason = fmt::format("@{} was asked for", registry.names[index(*id)]);
      return decision;
    } else if (!id) {
      unknown_name = fmt::format("; @{} names nobody (there is @{})", mention.name, fmt::join(registry.names, ", @"));
    }
  }
  if (decision.probabilities.empty()) {
    decision.reason = "nothing to classify by: the assistant answers" + unknown_name;
    return decision;
  }

  const auto& p = decision.probabilities;
  const auto best = static_cast<size_t>(std::max_element(p.begin(), p.end()) - p.begin());
  double second = 0;
  for (size_t i = 0; i < p.size(); ++i)
    if (i != best) second = std::max(second, p[i]);
  decision.confidence = p[best];
  decision.familiarity = request.classification.familiarity;
  decision.margin = p[best] - second;
  if (SpecialistId(best) == kAssistant) {
    decision.cause = RouteCause::kConfident;
    decision.reason = fmt::format("the assistant is the most probable, {:.2f}", p[best]);
  } else if (decision.familiarity < policy.min_familiarity) {
    decision.cause = RouteCause::kUnfamiliar;
    decision.reason = fmt::format("familiarity {:.3f} < {:.3f}, though most like {}: the assistant answers",
                                  decision.familiarity, policy.min_familiarity, registry.names[best]);
  } else if (p[best] >= policy.threshold) {
    decision.target = SpecialistId(best);
    decision.cause = RouteCause::kConfident;
    decision.reason = fmt::format("confidence {:.2f} >= {:.2f}", p[best], policy.threshold);
  } else {
    decision.cause = RouteCause::kBelowThreshold;
    decision.reason = fmt::format("{} has confidence {:.2f} < {:.2f}: the assistant answers", registry.names[best],
                                  p[best], policy.threshold);
  }
  decision.reason += unknown_name;
  return decision;
}

}  // namespace sain::router
