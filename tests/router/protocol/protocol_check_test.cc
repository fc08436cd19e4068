// R15: the state machine of one request: what may follow what, and each thing that may not. That the Coordinator keeps
// to it is checked in all of its tests.
#include "router/protocol/protocol_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "router/protocol/message.h"
#include "tests/router/protocol/sample_messages.h"

namespace sain::router {
namespace {

using ::testing::HasSubstr;
using Kind = StatusEvent::Kind;

constexpr SpecialistId kCoding{1}, kWriting{2};

Event route(SpecialistId id, RouteCause cause = RouteCause::kConfident) {
  RouteDecision decision;
  decision.target = id;
  decision.cause = cause;
  return RouteEvent{decision};
}
const Event kUnsureRoute = route(kAssistant, RouteCause::kBelowThreshold);
Event status(Kind kind, SpecialistId id = kCoding, double fraction = 0) {
  return StatusEvent{kind, id, fraction, "text"};
}
Event loading(double fraction) {
  return status(Kind::kLoading, kCoding, fraction);
}
Event handoff(SpecialistId id) {
  return HandoffEvent{id, 0, 10, 5, 1};
}
Event token(SpecialistId id, std::string text = "word") {
  return TokenEvent{id, std::move(text)};
}
Event fallback(SpecialistId from, SpecialistId to) {
  return FallbackEvent{from, to, "reason", "text"};
}
Event done(SpecialistId id, engine::FinishReason reason = engine::FinishReason::kStop, bool is_local = true) {
  return DoneEvent{.by = id, .is_local = is_local, .finish_reason = reason, .context = {}, .timings = {}};
}
const Event kPlan = PlanEvent{{{kCoding, "a loop"}, {kWriting, "a story"}}};
Event step(size_t i) {
  return StepEvent{i};
}
/// A turn that is right.
std::vector<Event> turn(SpecialistId id) {
  return {status(Kind::kAcknowledged, id), status(Kind::kReady, id), handoff(id), token(id)};
}
const Event kAcknowledged = status(Kind::kAcknowledged), kReady = status(Kind::kReady), kTalk = status(Kind::kTalking),
            kThought = status(Kind::kThinking);
const Event kSummary = status(Kind::kSummarising, kAssistant), kForget = ForgetEvent{Forgetting::kDropped, "text"};
const Event kError = ErrorEvent{{ErrorCode::kInternal, "text"}};

/// Why the last of the events is refused ("" if it is not); those before it must not be.
std::string refusal(const std::vector<Event>& events) {
  ProtocolCheck check(sample_registry());
  for (size_t i = 0; i < events.size(); ++i) {
    const Status next = check.check_next(events[i]);
    if (!next && i + 1 == events.size()) return next.error().message;
    EXPECT_TRUE(next) << i << ": " << next.error().message;
  }
  return "";
}

std::vector<Event> after(std::vector<Event> events, const Event& event) {
  events.push_back(event);
  return events;
}

std::vector<Event> joined(const std::vector<std::vector<Event>>& parts) {
  std::vector<Event> all;
  for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

const std::vector<Event> kTwoSteps =
    joined({{route(kCoding), kPlan, step(0)}, turn(kCoding), {step(1)}, turn(kWriting)});

// The states, by what leads there.
const std::vector<Event> kBegun = {}, kChosen = {route(kCoding)}, kComing = after(kChosen, kAcknowledged),
                         kLoaded = after(kComing, kReady), kHandedOver = after(kLoaded, handoff(kCoding)),
                         kAnswering = after(kHandedOver, token(kCoding)), kForgotten = after(kAnswering, kForget),
                         kOver = after(kAnswering, done(kCoding));

TEST(ProtocolCheckTest, ConversationsThatAreRight) {
  const std::vector<std::vector<Event>> all = {
      {route(kAssistant), handoff(kAssistant), token(kAssistant), token(kAssistant), done(kAssistant)},
      {route(kAssistant), token(kAssistant), kError},
      {route(kAssistant), kForget, token(kAssistant, "I have no answer to that."), done(kAssistant)},
      {route(kCoding), kAcknowledged, loading(0), loading(0.5), kTalk, kTalk, loading(1), kReady, kTalk, kSummary,
       kSummary, handoff(kCoding), token(kCoding), kForget, done(kCoding)},
      {route(kCoding), kAcknowledged, loading(0), loading(0.5), loading(0), loading(0.25), kReady, token(kCoding),
       done(kCoding)},
      {route(kCoding), kAcknowledged, fallback(kCoding, kWriting), status(Kind::kAcknowledged, kWriting),
       status(Kind::kLoading, kWriting, 0.1), status(Kind::kReady, kWriting), token(kWriting), kForget,
       fallback(kWriting, kAssistant), kSummary, handoff(kAssistant), token(kAssistant), kForget, done(kAssistant)},
      {route(kCoding), kAcknowledged, done(kCoding, engine::FinishReason::kCancelled)},
      {route(kAssistant), done(kAssistant, engine::FinishReason::kCancelled)},
      {route(kCoding), kAcknowledged, handoff(kCoding), token(kCoding),
       done(kCoding, engine::FinishReason::kStop, false)},
      {kUnsureRoute, handoff(kAssistant), token(kAssistant), done(kAssistant)},
      {route(kCoding), kAcknowledged, kReady, handoff(kCoding), kThought, kThought, token(kCoding), done(kCoding)},
      {route(kCoding), kAcknowledged, kReady, kThought, fallback(kCoding, kAssistant),
       status(Kind::kThinking, kAssistant), kForget, token(kAssistant), done(kAssistant)},
      joined({{kUnsureRoute, kSummary, handoff(kAssistant), kForget, fallback(kAssistant, kCoding)},
              turn(kCoding),
              {done(kCoding)}}),
      {kUnsureRoute, token(kAssistant), fallback(kAssistant, kCoding), kAcknowledged, fallback(kCoding, kAssistant),
       token(kAssistant), done(kAssistant)},
      {kUnsureRoute, fallback(kAssistant, kCoding), kAcknowledged, fallback(kCoding, kAssistant), kError},
      after(kTwoSteps, done(kWriting)),
      joined({kTwoSteps, {step(2), handoff(kAssistant), token(kAssistant), done(kWriting)}}),
      joined({kTwoSteps, {step(2), done(kWriting)}}),
      joined({{route(kAssistant), kPlan, step(0)},
              turn(kCoding),
              {fallback(kCoding, kAssistant), token(kAssistant), step(1)},
              turn(kWriting),
              {fallback(kWriting, kAssistant), kError}}),
      {route(kCoding), kPlan, step(0), kAcknowledged, done(kCoding, engine::FinishReason::kCancelled)}};
  for (const std::vector<Event>& events : all) {
    EXPECT_EQ(refusal(events), "");
    for (size_t i = 0; i < events.size(); ++i) {
      ProtocolCheck check(sample_registry());
      for (size_t j = 0; j <= i; ++j) ASSERT_TRUE(check.check_next(events[j]));
      EXPECT_EQ(check.is_over(), i + 1 == events.size());
    }
  }
}

TEST(ProtocolCheckTest, TheConversationOfTheDocumentIsRight) {
  std::ifstream document(std::string(SAIN_SOURCE_DIR) + "/router/protocol/README.md");
  std::optional<ProtocolCheck> check;
  int n_requests = 0;
  for (std::string line; std::getline(document, line);) {
    if (!line.starts_with(R"({"event":)")) continue;
    const auto message = nlohmann::json::parse(line);
    if (message["event"] == "request") {
      EXPECT_TRUE(parse_request(message));
      EXPECT_TRUE(!check || check->is_over());
      check.emplace(sample_registry());
      ++n_requests;
    } else {
      const auto event = parse_event(message, sample_registry());
      ASSERT_TRUE(event) << event.error().message;
      const Status next = check->check_next(*event);
      EXPECT_TRUE(next) << next.error().message;
    }
  }
  EXPECT_EQ(n_requests, 2);
  EXPECT_TRUE(check->is_over());
}

TEST(ProtocolCheckTest, NothingComesBeforeTheRoute) {
  for (const Event& event : {kAcknowledged, loading(0), kReady, kTalk, kSummary, handoff(kCoding), token(kAssistant),
                             fallback(kCoding, kAssistant), kForget, done(kAssistant), kError})
    EXPECT_THAT(refusal(after(kBegun, event)), HasSubstr(" may not come before a route"));
}

TEST(ProtocolCheckTest, NothingComesAfterTheEnd) {
  for (const std::vector<Event>& over : {kOver, {route(kAssistant), kError}})
    for (const Event& event : {route(kCoding), kAcknowledged, loading(0), kReady, kTalk, kSummary, handoff(kCoding),
                               token(kCoding), fallback(kCoding, kAssistant), kForget, done(kCoding), kError})
      EXPECT_THAT(refusal(after(over, event)), HasSubstr(" may not come after the end"));
}

TEST(ProtocolCheckTest, ThereIsOneRoute) {
  for (const auto& state : {kChosen, kComing, kLoaded, kHandedOver, kAnswering, kForgotten})
    EXPECT_THAT(refusal(after(state, route(kCoding))), HasSubstr("route may not come in the turn of coding, "));
}

TEST(ProtocolCheckTest, ASpecialistIsAcknowledgedFirst) {
  for (const Event& event : {loading(0), kReady, kTalk, kSummary, handoff(kCoding), token(kCoding),
                             fallback(kCoding, kAssistant), kForget, kError})
    EXPECT_THAT(refusal(after(kChosen, event)), HasSubstr("before its acknowledgement"));
  EXPECT_THAT(refusal(after(kComing, kAcknowledged)), HasSubstr("status acknowledged may not come"));
  EXPECT_NE(refusal({route(kAssistant), status(Kind::kAcknowledged, kAssistant)}), "");
}

TEST(ProtocolCheckTest, ASpecialistIsReadyBeforeItAnswers) {
  for (const Event& event : {kSummary, handoff(kCoding), token(kCoding), kForget})
    EXPECT_THAT(refusal(after(after(kComing, loading(0)), event)), HasSubstr("while it is loaded"));
  for (const auto& state : {kLoaded, kHandedOver, kAnswering, kForgotten}) {
    EXPECT_NE(refusal(after(state, kReady)), "") << "it is ready once";
    EXPECT_NE(refusal(after(state, loading(1))), "");
  }
}

TEST(ProtocolCheckTest, FractionsRise) {
  EXPECT_EQ(refusal({route(kCoding), kAcknowledged, loading(0.5), loading(0.5)}),
            "status.fraction: expected more than 0.5, found 0.5");
  EXPECT_EQ(refusal({route(kCoding), kAcknowledged, loading(0.5), loading(0.25)}),
            "status.fraction: expected more than 0.5, found 0.25");
}

TEST(ProtocolCheckTest, NothingGoesOnBesideTheAnswer) {
  for (const auto& state : {kHandedOver, kAnswering, kForgotten}) {
    EXPECT_NE(refusal(after(state, kTalk)), "");
    EXPECT_NE(refusal(after(state, kSummary)), "");
    EXPECT_NE(refusal(after(state, handoff(kCoding))), "");
  }
  EXPECT_THAT(refusal(after(kForgotten, token(kCoding))), HasSubstr("after what is forgotten"));
  EXPECT_NE(refusal(after(kForgotten, kForget)), "");
  EXPECT_NE(refusal({route(kAssistant), token(kAssistant), kForget, token(kAssistant)}), "") << "it has answered";
}

TEST(ProtocolCheckTest, AThoughtComesBeforeTheAnswerAndIsNone) {
  for (const auto& state : {kChosen, after(kComing, loading(0)), kAnswering, kForgotten, kOver})
    EXPECT_THAT(refusal(after(state, kThought)), HasSubstr("status thinking may not come"));
  EXPECT_EQ(refusal(after(kHandedOver, status(Kind::kThinking, kWriting))),
            "status.specialist: expected coding, whose turn it is, found writing");
  const std::vector<Event> thinking = after(kHandedOver, kThought);
  EXPECT_EQ(refusal(after(thinking, done(kCoding))), "done: expected an answer before it, found none");
  for (const Event& event : {handoff(kCoding), kSummary, kTalk}) EXPECT_NE(refusal(after(thinking, event)), "");
}

TEST(ProtocolCheckTest, OnlyTheMemberWhoseTurnItIsSpeaks) {
  EXPECT_EQ(refusal(after(kAnswering, token(kWriting))), "token.by: expected coding, whose turn it is, found writing");
  EXPECT_EQ(refusal(after(kAnswering, done(kAssistant))),
            "done.by: expected coding, whose turn it is, found assistant");
  EXPECT_EQ(refusal(after(kAnswering, fallback(kWriting, kAssistant))),
            "fallback.from: expected coding, whose turn it is, found writing");
  EXPECT_EQ(refusal(after(kLoaded, handoff(kWriting))), "handoff.to: expected coding, whose turn it is, found writing");
  for (const Kind kind : {Kind::kLoading, Kind::kReady, Kind::kTalking})
    EXPECT_EQ(refusal(after(kComing, status(kind, kWriting))),
              "status.specialist: expected coding, whose turn it is, found writing");
  EXPECT_NE(refusal(after(kChosen, status(Kind::kAcknowledged, kWriting))), "");
  EXPECT_EQ(refusal(after(kLoaded, status(Kind::kSummarising, kCoding))),
            "status.specialist: expected assistant, found coding");
  EXPECT_EQ(
      refusal({route(kCoding), kAcknowledged, kReady, token(kCoding), fallback(kCoding, kAssistant), token(kCoding)}),
      "token.by: expected assistant, whose turn it is, found coding");
}

TEST(ProtocolCheckTest, AFallbackIsToSomebodyElse) {
  EXPECT_NE(refusal(after(kComing, fallback(kCoding, kCoding))), "");
  EXPECT_EQ(refusal({route(kCoding), kAcknowledged, fallback(kCoding, kWriting), status(Kind::kAcknowledged, kWriting),
                     fallback(kWriting, kCoding)}),
            "fallback.to: expected a member that has not failed, found coding");
  EXPECT_THAT(refusal({route(kAssistant), fallback(kAssistant, kCoding)}), HasSubstr("fallback may not come"));
}

TEST(ProtocolCheckTest, TheAssistantLeavesADraftAtMostOnce) {
  for (const RouteCause cause : {RouteCause::kConfident, RouteCause::kUnfamiliar, RouteCause::kMode})
    EXPECT_THAT(refusal({route(kAssistant, cause), fallback(kAssistant, kCoding)}), HasSubstr("fallback may not come"));
  EXPECT_THAT(refusal({route(kCoding, RouteCause::kBelowThreshold), fallback(kCoding, kAssistant)}),
              HasSubstr("before its acknowledgement"));
  EXPECT_NE(refusal({kUnsureRoute, fallback(kAssistant, kAssistant)}), "");
  const std::vector<Event> failed = {kUnsureRoute, fallback(kAssistant, kCoding), kAcknowledged,
                                     fallback(kCoding, kAssistant)};
  for (const SpecialistId to : {kCoding, kWriting})
    EXPECT_THAT(refusal(after(failed, fallback(kAssistant, to))), HasSubstr("fallback may not come"));
  EXPECT_THAT(refusal(joined({{kUnsureRoute, PlanEvent{{{kAssistant, "hi"}, {kCoding, "a loop"}}}, step(0)},
                              {fallback(kAssistant, kCoding)}})),
              HasSubstr("fallback may not come"))
      << "a plan has no drafts";
}

TEST(ProtocolCheckTest, WhoWasNotInMemoryAnsweredInTheCloud) {
  EXPECT_EQ(refusal({route(kCoding), kAcknowledged, token(kCoding), done(kCoding)}),
            "done.place: expected cloud, found local");
  EXPECT_EQ(refusal(after(kAnswering, done(kCoding, engine::FinishReason::kStop, false))),
            "done.place: expected local, found cloud");
}

TEST(ProtocolCheckTest, APlanFollowsTheRoute) {
  for (const auto& state : {kBegun, kComing, kLoaded, kAnswering, {route(kCoding), kPlan}})
    EXPECT_THAT(refusal(after(state, kPlan)), HasSubstr("plan may not come"));
  EXPECT_NE(refusal({route(kCoding), PlanEvent{{{kCoding, "a loop"}}}}), "") << "one step is none";
  for (const Event& event : {kAcknowledged, token(kCoding), done(kCoding), kError})
    EXPECT_THAT(refusal({route(kCoding), kPlan, event}), HasSubstr("before the first step"));
}

TEST(ProtocolCheckTest, StepsComeInOrderAndEachIsAnswered) {
  EXPECT_THAT(refusal(after(kAnswering, step(0))), HasSubstr("step may not come")) << "there is no plan";
  EXPECT_EQ(refusal({route(kCoding), kPlan, step(1)}), "step.index: expected 0, found 1");
  EXPECT_EQ(refusal(after(kTwoSteps, step(3))), "step.index: expected 2, found 3");
  EXPECT_NE(refusal({route(kCoding), kPlan, step(0), step(1)}), "") << "the first one has no answer";
  EXPECT_NE(refusal({route(kCoding), kPlan, step(0), kAcknowledged, kReady, handoff(kCoding), step(1)}), "");
  EXPECT_EQ(refusal(joined({{route(kCoding), kPlan, step(0)}, turn(kCoding), {done(kCoding)}})),
            "done: expected 2 steps before it, found 1");
  EXPECT_NE(refusal({route(kCoding), kPlan, step(0), status(Kind::kAcknowledged, kWriting)}), "") << "it is coding's";
  for (const Event& event : {step(2), step(3), kError, fallback(kAssistant, kCoding), done(kAssistant)})
    EXPECT_NE(refusal(joined({kTwoSteps, {step(2), token(kAssistant), event}})), "");
}

TEST(ProtocolCheckTest, OnlyTheAssistantGivesUp) {
  for (const auto& state : {kLoaded, kHandedOver, kAnswering, kForgotten})
    EXPECT_EQ(refusal(after(state, kError)), "error: expected coding, whose turn it is, found assistant");
}

TEST(ProtocolCheckTest, DoneWithoutAnAnswerIsNone) {
  for (const std::vector<Event>& events :
       {std::vector<Event>{route(kAssistant)}, {route(kAssistant), token(kAssistant, " \n")}, kLoaded, kHandedOver})
    EXPECT_EQ(refusal(after(events, done(events.size() > 2 ? kCoding : kAssistant))),
              "done: expected an answer before it, found none");
}

TEST(ProtocolCheckTest, WhatIsSaidIsUtf8) {
  EXPECT_THAT(refusal(after(kLoaded, token(kCoding, ""))), HasSubstr("token.text"));
  EXPECT_THAT(refusal(after(kLoaded, token(kCoding, "\xff"))), HasSubstr("token.text"));
}

TEST(ProtocolCheckTest, CountsAgree) {
  EXPECT_EQ(refusal(after(kLoaded, HandoffEvent{kCoding, 0, 10, 11, 1})),
            "handoff.known_tokens: expected at most 10, all that it reads, found 11");
  EXPECT_EQ(refusal(after(kAnswering, ForgetEvent{Forgetting::kNothing, ""})),
            "forget.kind: expected what is forgotten, found nothing");
}

TEST(ProtocolCheckTest, ARefusedMessageChangesNothing) {
  ProtocolCheck check(sample_registry());
  for (const Event& event : kAnswering) {
    EXPECT_FALSE(check.check_next(ErrorEvent{})) << "too early, or not for a specialist";
    ASSERT_TRUE(check.check_next(event));
  }
  EXPECT_FALSE(check.check_next(token(kWriting)));
  EXPECT_TRUE(check.check_next(token(kCoding)));
}

}  // namespace
}  // namespace sain::router
