// What happens while a request is answered, in order, for whoever shows or forwards it.
#pragma once

#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "engine/session.h"
#include "router/context_manager.h"
#include "router/metrics.h"
#include "router/route_policy.h"

namespace sain::router {

/// The decision; always the first event of a request.
struct RouteEvent {
  RouteDecision decision;
};

/// The request asks for several things, each of a member that knows it; what one gives the next one sees. After the
/// RouteEvent.
struct PlanEvent {
  struct Step {
    SpecialistId target = kAssistant;
    std::string request;
  };
  std::vector<Step> steps;  // two at least
};

/// A step of the plan begins, counted from 0; as many as there are steps: the assistant brings it all together.
struct StepEvent {
  size_t index = 0;
};

/// What goes on before the answer; never part of it. Nor is it of a conversation.
struct StatusEvent {
  enum class Kind {
    kAcknowledged,  // the assistant says, in `text`, that it brings in the specialist
    kLoading,       // `fraction` of the model is in memory
    kReady,
    kSummarising,  // the assistant writes a summary of old turns, before the answer
    kTalking,      // the assistant says `text` while the specialist is loaded
    kThinking,     // the next piece of what the member thinks, after the HandoffEvent: valid UTF-8
  };
  Kind kind = Kind::kLoading;
  SpecialistId member = kAssistant;
  double fraction = 0;
  std::string text;
};

/// The conversation has been made ready for the member that answers, in tokens of its own. Before its first token.
struct HandoffEvent {
  SpecialistId to = kAssistant;
  size_t n_turns = 0;   // of the conversation that it gets to see
  size_t n_tokens = 0;  // of all that it reads
  size_t n_known = 0;   // of them: computed before
  double ms = 0;
};

/// A piece of the answer: valid UTF-8, not empty.
struct TokenEvent {
  SpecialistId by = kAssistant;
  std::string text;
};

/// A specialist failed, and another one or the assistant answers instead; or the assistant is not sure of its draft,
/// and a specialist answers. Text that came from the first is void.
struct FallbackEvent {
  SpecialistId from = kAssistant;
  SpecialistId to = kAssistant;
  std::string reason;
  std::string text;  // what the assistant says about it
};

/// The conversation begins to forget, or it gets worse; so at most once for each kind in a conversation. Comes after
/// the text of the answer.
struct ForgetEvent {
  Forgetting what = Forgetting::kNothing;
  std::string text;
};

/// Tokens that the model which answered holds of the conversation, of the most that it can.
struct ContextUse {
  size_t n_tokens = 0;
  size_t limit = 0;  // 0: no model was asked
};

/// The answer is complete, or was stopped (finish_reason kCancelled).
struct DoneEvent {
  SpecialistId by = kAssistant;
  bool is_local = true;  // it was made on this machine
  engine::FinishReason finish_reason = engine::FinishReason::kStop;
  size_t n_dropped_turns = 0;  // old turns that had no room in the context
  ContextUse context;
  RequestTimings timings;
  size_t n_tokens = 0;           // that were generated; see Answer
  std::string stop_string = {};  // likewise
};

/// There is no answer: the assistant failed too. The last event, in place of DoneEvent.
struct ErrorEvent {
  Error error;
};

using Event = std::variant<RouteEvent, PlanEvent, StepEvent, StatusEvent, HandoffEvent, TokenEvent, FallbackEvent,
                           ForgetEvent, DoneEvent, ErrorEvent>;
using EventSink = std::function<void(const Event&)>;         // called by the thread that handles the request
using StatusSink = std::function<void(const StatusEvent&)>;  // may be empty

}  // namespace sain::router
