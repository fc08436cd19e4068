// One request from text to answer: route, bring in the specialist, let it answer, fall back if anything fails.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "engine/session.h"
#include "formats/result.h"
#include "router/context_manager.h"
#include "router/events.h"
#include "router/metrics.h"
#include "router/registry.h"
#include "router/residency.h"
#include "router/route_policy.h"

namespace sain::router {

struct Answer {
  std::string text = {};
  engine::FinishReason finish_reason = engine::FinishReason::kStop;
  size_t n_dropped_turns = 0;
  ContextUse context = {};
  engine::Timings timings = {};
};

/// What a Coordinator works with; tests put their own here.
struct CoordinatorParts {
  std::function<Result<Classification>(std::string_view text)> classify;
  /// The answer of a member whose model is leased. Makes room in `context`, and says there what that has cost.
  std::function<Result<Answer>(SpecialistId id, const ModelLease& lease, ContextManager& context,
                               std::string_view request, std::stop_token stop, const StatusSink& status,
                               engine::TokenSink& sink)>
      answer;
};

/// Handles one request at a time. Registry and residency must outlive it.
class Coordinator {
 public:
  Coordinator(const Registry& registry, Residency& residency, RoutePolicy policy, CoordinatorParts parts)
      : registry_(registry), residency_(residency), policy_(policy), parts_(std::move(parts)) {
    metrics_.n_answers.resize(registry.size());
  }

  /// RouteEvent; StatusEvents; TokenEvents, perhaps a FallbackEvent and more TokenEvents; a
  /// ForgetEvent where old turns had to go; then DoneEvent, or ErrorEvent when the assistant fails too. Whatever a
  /// specialist does, the request gets an answer. A stop request ends the load or the answer, and is not an error. The
  /// turn joins the conversation. Errors: that of the ErrorEvent.
  Status handle(std::string_view request, const EventSink& sink, std::stop_token stop = {});

  /// Classifies and decides, without answering. A failure to classify means that the assistant answers.
  RouteDecision route(std::string_view request) const;

  ContextManager& context() { return context_; }
  const Metrics& metrics() const { return metrics_; }

 private:
  struct Request;
  Result<Answer> try_member(SpecialistId id, Request& request);
  void finish(SpecialistId by, Answer answer, Request& request);
  void fall_back(SpecialistId from, const std::string& reason, Request& request);

  const Registry& registry_;
  Residency& residency_;
  RoutePolicy policy_;
  CoordinatorParts parts_;
  ContextManager context_;
  Metrics metrics_;
};

}  // namespace sain::router
