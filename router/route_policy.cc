#include "router/route_policy.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <functional>
#include <numeric>
#include <span>

namespace sain::router {
namespace {

constexpr std::string_view kSpace = " \t\r\n";
constexpr size_t kFollowUpBytes = 60;  // at most: a request that is hard to tell without the one before
constexpr double kSecondBest = 0.1;    // a specialist that is less probable is no help

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

/// Better odds for one of them.
void favour(SpecialistId id, double factor, std::vector<double>& p) {
  p[index(id)] *= factor;
  const double sum = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& value : p) value /= sum;
}

/// The most probable specialist but `except`.
std::optional<SpecialistId> best_specialist(const std::vector<double>& p, SpecialistId except) {
  std::optional<SpecialistId> best;
  for (size_t i = 1; i < p.size(); ++i)
    if (SpecialistId(i) != except && p[i] > (best ? p[index(*best)] : 0)) best = SpecialistId(i);
  return best;
}

}  // namespace

std::string_view to_string(RouteCause cause) {
  static constexpr std::array<std::string_view, 7> kNames = {"explicit",  "confident", "below_threshold", "unfamiliar",
                                                             "follow_up", "mode",      "unclassified"};
  return kNames[static_cast<size_t>(cause)];
}

std::optional<Mode> find_mode(std::string_view name) {
  for (const Mode mode : {Mode::kAuto, Mode::kFast, Mode::kSlow})
    if (to_string(mode) == name) return mode;
  return std::nullopt;
}

std::string_view to_string(Mode mode) {
  static constexpr std::array<std::string_view, 3> kNames = {"auto", "fast", "slow"};
  return kNames[static_cast<size_t>(mode)];
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

RouteDecision decide_for(SpecialistId member, std::string_view text, const RegistrySnapshot& registry) {
  return {.target = member,
          .cause = RouteCause::kExplicit,
          .confidence = 1,
          .margin = 1,
          .probabilities = {},
          .request = std::string(text),
          .reason = fmt::format("@{} was asked for", registry.names[index(member)])};
}

RouteDecision decide(const RouteRequest& request, const RegistrySnapshot& registry, const RoutePolicy& policy) {
  RouteDecision decision;
  decision.request = std::string(request.text);
  if (!request.classification.probabilities.empty()) decision.probabilities = sum_to_members(request, registry);

  const Mention mention = split_mention(request.text);
  std::string unknown_name;
  if (!mention.name.empty()) {
    if (const auto id = registry.find(mention.name); id && !mention.rest.empty()) {
      RouteDecision explicit_one = decide_for(*id, mention.rest, registry);
      explicit_one.probabilities = std::move(decision.probabilities);
      return explicit_one;
    } else if (!id) {
      unknown_name =
          fmt::format("; @{} names nobody (there is @{})", mention.name, fmt::join(registry.present_names(), ", @"));
    }
  }
  if (decision.probabilities.empty()) {
    decision.reason = "nothing to classify by: the assistant answers" + unknown_name;
    return decision;
  }

  if (request.current) favour(*request.current, policy.stickiness, decision.probabilities);
  const auto& p = decision.probabilities;
  const auto best = static_cast<size_t>(std::max_element(p.begin(), p.end()) - p.begin());
  const auto first = best_specialist(p, kAssistant);
  decision.confidence = p[best];
  std::vector<double> sorted = p;
  std::ranges::sort(sorted, std::greater<>());
  decision.margin = sorted[0] - (sorted.size() > 1 ? sorted[1] : 0);
  decision.familiarity = request.classification.familiarity;
  const auto is_short = [](std::string_view text) { return text.size() <= kFollowUpBytes; };

  if (request.mode == Mode::kFast) {
    decision.cause = RouteCause::kMode;
    decision.reason = "fast: the assistant answers";
  } else if (request.mode == Mode::kSlow && first) {
    decision.target = *first;
    decision.cause = RouteCause::kMode;
    decision.reason = fmt::format("slow: the most probable specialist, {:.2f}", p[index(*first)]);
  } else if (SpecialistId(best) == kAssistant) {
    decision.cause = RouteCause::kConfident;
    decision.reason = fmt::format("the assistant is the most probable, {:.2f}", p[best]);
  } else if (request.current == SpecialistId(best) && is_short(request.text)) {
    decision.target = SpecialistId(best);
    decision.cause = RouteCause::kFollowUp;
    decision.reason = fmt::format("{} answered last, and is the most probable, {:.2f}", registry.names[best], p[best]);
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
  if (decision.target != kAssistant) {
    const auto second = best_specialist(p, decision.target);
    if (second && p[index(*second)] >= kSecondBest) decision.second_best = second;
  }
  decision.reason += unknown_name;
  return decision;
}

}  // namespace sain::router
