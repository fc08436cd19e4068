// One request from text to answer: route, bring in the specialist, let it answer, fall back if anything fails.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "engine/session.h"
#include "formats/result.h"
#include "router/answer_options.h"
#include "router/conversation.h"
#include "router/events.h"
#include "router/metrics.h"
#include "router/monitoring/serving_metrics.h"
#include "router/registry.h"
#include "router/residency.h"
#include "router/route_policy.h"
#include "router/transitions.h"

namespace sain::router {

struct Answer {
  std::string text = {};
  engine::FinishReason finish_reason = engine::FinishReason::kStop;
  size_t n_dropped_turns = 0;
  ContextUse context = {};
  engine::Timings timings = {};
  size_t n_tokens = 0;           // that were generated, those of a thought and the one that ends it all included
  std::string stop_string = {};  // that has ended it; empty: none
};

/// What a member is asked, and how.
struct MemberRequest {
  std::string_view text;
  Mode mode = Mode::kAuto;                    // kSlow: who can may think first
  std::optional<uint32_t> top_logprobs = {};  // for TokenSink::on_token(), as in engine::GenerateOptions
  AnswerOptions answer = {};
};

/// What a Coordinator works with; tests put their own here. Called by several threads at once.
struct CoordinatorParts {
  std::function<Result<Classification>(std::string_view text)> classify;
  /// The answer of a member whose model is leased, unless it is in the cloud. Makes room in the conversation, and says
  /// there what that has cost. Tells of a summary, of the handoff, and what the member thinks.
  std::function<Result<Answer>(SpecialistId id, const ModelLease& lease, Conversation& conversation,
                               const MemberRequest& request, std::stop_token stop, const EventSink& events,
                               engine::TokenSink& sink)>
      answer;
  /// The assistant's vote: how probable it is that each of `members` should answer. May be empty.
  std::function<Result<std::vector<double>>(std::string_view request, std::span<const SpecialistId> members)> vote = {};
  /// A sentence of the assistant about a request whose specialist is being loaded. May be empty.
  std::function<void(SpecialistId specialist, std::string_view request, std::stop_token stop, engine::TokenSink& sink)>
      talk = {};
  ServingMetrics* serving = nullptr;  // counts too; must outlive the Coordinator
};

struct CoordinatorOptions {
  RoutePolicy policy = {};
  double vote_weight = 0;       // 0 to 1; of the assistant's vote where nobody is sure enough; 0: it is not asked
  double draft_confidence = 0;  // 0 to 1; of a draft of the assistant's that is kept where nobody is sure enough, see
                                // DraftGate; 0: any is
  bool plans = true;            // requests of several steps are taken apart
  bool synthesis = false;       // and the assistant says at the end what came of them
  bool prefetch = false;
  std::chrono::milliseconds talk_after{0};  // of loading; 0: silent
  std::chrono::milliseconds load_timeout = std::chrono::minutes(2);
  std::chrono::milliseconds answer_timeout = std::chrono::minutes(1);  // for the first token of a specialist
};

struct RequestOptions {
  Mode mode = Mode::kAuto;
  Priority priority = Priority::kInteractive;
  std::optional<SpecialistId> member = {};  // who answers, whatever the text says; none: whom it is routed to
  AnswerOptions answer = {};
};

/// Thread-safe: several conversations at once, each one of one thread at a time. Registry, residency and transitions
/// must outlive it.
class Coordinator {
 public:
  Coordinator(const Registry& registry, Residency& residency, Transitions& transitions, CoordinatorOptions options,
              CoordinatorParts parts);

  /// RouteEvent; for a request of several steps PlanEvent, and StepEvent before each; then of each member that is tried
  /// StatusEvents, HandoffEvent, what it thinks, TokenEvents, and a FallbackEvent if it fails: the specialist, the
  /// second best one if there is any, the assistant. Where a specialist was the most probable, but not enough, the
  /// assistant's draft is kept if it is sure of it; else nobody sees it, and a FallbackEvent leads to the specialist.
  /// A ForgetEvent where old turns had to go; then DoneEvent, or ErrorEvent when the assistant fails too. Whatever a
  /// specialist does, the request gets an answer. A stop request ends load or answer, and is not an error. The turn
  /// joins the conversation. Errors: that of the ErrorEvent.
  Status handle(Conversation& conversation, std::string_view request, const RequestOptions& options,
                const EventSink& sink, std::stop_token stop = {});

  /// Classifies and decides, without answering. A failure to classify means that the assistant answers.
  RouteDecision route(std::string_view request, const Conversation& conversation = {}, Mode mode = Mode::kAuto) const;

  /// The natural-log probabilities of the first n_tokens tokens, of fewer where it is shorter, that the assistant would
  /// answer to `request` alone. Errors: those of CoordinatorParts::answer and of Residency.
  Result<std::vector<double>> draft(std::string_view request, size_t n_tokens, std::stop_token stop = {}) const;

  Metrics metrics() const;

 private:
  struct Request;
  struct Outcome;
  std::vector<RouteDecision> plan(const RouteDecision& whole, const Request& request) const;
  Result<Outcome> serve(const RouteDecision& decision, Request& request);
  std::optional<SpecialistId> escalation(const RouteDecision& decision, const Request& request) const;
  void synthesise(size_t n_steps, Request& request);
  Result<Answer> try_member(SpecialistId id, Request& request);
  Result<ModelLease> bring_in(SpecialistId id, Request& request);
  Result<Answer> answer(SpecialistId id, const ModelLease& lease, Request& request);
  Result<Answer> draft(const ModelLease& lease, MemberRequest asked, engine::TokenSink& sink, Request& request);
  void fall_back(SpecialistId from, SpecialistId to, const std::string& reason, Request& request);
  void record(const Outcome& outcome, Request& request);
  void finish(const Outcome& last, Request& request);
  void look_ahead(const Conversation& conversation);
  std::vector<std::string> history(const Conversation& conversation) const;
  void ask_for_votes(RouteRequest& request, const RouteDecision& decision) const;
  void count(const std::function<void(Metrics&)>& change);

  const Registry& registry_;
  Residency& residency_;
  Transitions& transitions_;
  CoordinatorOptions options_;
  CoordinatorParts parts_;

  mutable std::mutex mutex_;
  Metrics metrics_;
  std::deque<std::pair<std::string, std::vector<double>>>
      forecasts_;  // of conversations, by id, whoever spoke last first
};

}  // namespace sain::router
