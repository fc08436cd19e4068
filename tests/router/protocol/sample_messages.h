// One message of each kind, and the members they speak of.
#pragma once

#include <vector>

#include "router/events.h"
#include "router/registry.h"

namespace sain::router {

inline const RegistrySnapshot& sample_registry() {
  static const RegistrySnapshot kRegistry = {
      .names = {"assistant", "coding", "writing"}, .assistant_name = "Ada", .intents = {}, .intent_owner = {}};
  return kRegistry;
}

inline std::vector<Event> sample_events() {
  constexpr SpecialistId kCoding{1}, kWriting{2};
  using Kind = StatusEvent::Kind;
  return {
      RouteEvent{{.target = kCoding,
                  .cause = RouteCause::kConfident,
                  .confidence = 0.7,
                  .margin = 0.5,
                  .familiarity = 0.25,
                  .probabilities = {0.1, 0.7, 0.2},
                  .second_best = kWriting,
                  .request = "Write a loop \"in C\"\n",
                  .reason = "confidence 0.70 >= 0.60"}},
      PlanEvent{{{kCoding, "Write a loop"}, {kWriting, "describe it"}}},
      StepEvent{0},
      StatusEvent{Kind::kAcknowledged, kCoding, 0, "Let me bring in the coding specialist."},
      StatusEvent{Kind::kLoading, kCoding, 0.125, {}},
      StatusEvent{Kind::kTalking, kCoding, 0, "This is about "},
      StatusEvent{Kind::kReady, kCoding, 1, {}},
      StatusEvent{Kind::kSummarising, kAssistant, 0, {}},
      HandoffEvent{kCoding, 3, 120, 80, 4.5},
      StatusEvent{Kind::kThinking, kCoding, 0, "A loop has "},
      TokenEvent{kCoding, "für \xF0\x9F\x8E\x89"},
      FallbackEvent{kCoding, kAssistant, "it refused to answer", "I will try myself."},
      TokenEvent{kAssistant, "for"},
      StepEvent{1},
      StatusEvent{Kind::kAcknowledged, kWriting, 0, "Let me ask the writing specialist, who is not on this machine."},
      HandoffEvent{kWriting, 4, 200, 0, 0.5},
      TokenEvent{kWriting, "Once"},
      ForgetEvent{Forgetting::kSummarised, "a summary takes the place of its oldest turns"},
      DoneEvent{.by = kWriting,
                .is_local = false,
                .finish_reason = engine::FinishReason::kLength,
                .n_dropped_turns = 2,
                .context = {130, 512},
                .timings = {1.5, 200.25, 230, 900.125, 120, 31}},
      ErrorEvent{{ErrorCode::kResourceExhausted, "there is no room"}}};
}

}  // namespace sain::router
