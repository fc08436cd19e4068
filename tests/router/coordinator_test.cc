// A request is never lost: a fault at each step, and the order of what is told.
#include "router/coordinator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/router/fake_models.h"

namespace sain::router {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Config two_members(std::string specialist_model) {
  Config config;
  config.assistant = {.name = "Ada", .model = "/m/assistant"};
  config.assistant.intents = {{"talk", {"hi"}}};
  config.specialists.push_back({.name = "coding", .model = std::move(specialist_model)});
  config.specialists[0].intents = {{"code", {"loop"}}};
  return config;
}

/// A Coordinator over fakes; every step can be made to fail.
struct Rig {
  explicit Rig(std::string specialist_model = "/m/coder", uint64_t budget = 1000)
      : registry(two_members(specialist_model)),
        residency(models.source(), {"/m/assistant", specialist_model},
                  {.budget_bytes = budget, .keep_loaded = KeepLoaded::kWhileLeased}),
        coordinator(registry, residency, {.threshold = 0.6}, parts()) {}

  CoordinatorParts parts() {
    CoordinatorParts parts;
    parts.classify = [this](std::string_view text) -> Result<Classification> {
      if (!classify_works) return make_error(ErrorCode::kInternal, "no features");
      const double p = text.find("code") != std::string_view::npos ? 0.9 : 0.1;
      return Classification{.probabilities = {1 - p, p}};
    };
    parts.answer = [this](SpecialistId id, const ModelLease&, ContextManager& context, std::string_view request,
                          std::stop_token stop, const StatusSink& status, engine::TokenSink& sink) -> Result<Answer> {
      n_turns_seen = context.turns().size();
      const Step& step = id == kAssistant ? assistant : coder;
      if (step.summarises) status({StatusEvent::Kind::kSummarising, kAssistant, 0, {}});
      std::string text;
      for (const char* piece : step.pieces) {
        if (stop.stop_requested()) return Answer{.text = text, .finish_reason = engine::FinishReason::kCancelled};
        sink.on_text(piece);
        text += piece;
        if (step.stop_after_piece) stop_source.request_stop();
      }
      last_request = std::string(request);
      context.forgets(step.forgets, "some turns are gone");
      if (step.fails) return make_error(ErrorCode::kInternal, "the forward pass broke");
      return Answer{
          .text = text,
          .finish_reason = stop.stop_requested() ? engine::FinishReason::kCancelled : engine::FinishReason::kStop,
          .context = {7, 100}};
    };
    return parts;
  }

  Status handle(std::string_view request) {
    events.clear();
    return coordinator.handle(
        request, [this](const Event& event) { record(event); }, stop_source.get_token());
  }

  void record(const Event& event) {
    static constexpr const char* kKinds[] = {"route", "status", "token", "fallback", "forget", "done", "error"};
    std::string line = kKinds[event.index()];
    if (const auto* status = std::get_if<StatusEvent>(&event)) {
      if (status->kind == StatusEvent::Kind::kLoading) return;  // as many as there is time for
      static constexpr const char* kStatusKinds[] = {"acknowledged", "loading", "ready", "summarising"};
      line = kStatusKinds[static_cast<size_t>(status->kind)];
    } else if (const auto* token = std::get_if<TokenEvent>(&event)) {
      line += " " + std::to_string(index(token->by)) + " " + token->text;
    } else if (const auto* done = std::get_if<DoneEvent>(&event)) {
      line += " " + std::to_string(index(done->by)) + " " + std::string(to_string(done->finish_reason));
      timings = done->timings;
      context_use = done->context;
    } else if (const auto* fallback = std::get_if<FallbackEvent>(&event)) {
      fallback_reason = fallback->reason;
    }
    events.push_back(line);
  }

  struct Step {
    std::vector<const char*> pieces;
    bool fails = false;
    bool stop_after_piece = false;
    bool summarises = false;
    Forgetting forgets = Forgetting::kNothing;
  };

  FakeModels models;
  bool classify_works = true;
  Step assistant{{"Hello", " you"}};
  Step coder{{"int", " x;"}};
  size_t n_turns_seen = 0;
  std::string last_request, fallback_reason;
  std::vector<std::string> events;
  RequestTimings timings;
  ContextUse context_use;
  std::stop_source stop_source;
  Registry registry;
  Residency residency;
  Coordinator coordinator;
};

TEST(CoordinatorTest, TheAssistantAnswersAtOnce) {
  Rig rig;
  ASSERT_TRUE(rig.handle("good morning"));
  EXPECT_THAT(rig.events, ElementsAre("route", "token 0 Hello", "token 0  you", "done 0 stop"));
  ASSERT_EQ(rig.coordinator.context().turns().size(), 1u);
  EXPECT_EQ(rig.coordinator.context().turns()[0].answer, "Hello you");
}

TEST(CoordinatorTest, ASpecialistIsAnnouncedLoadedAndUnloaded) {
  Rig rig;
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_THAT(rig.events, ElementsAre("route", "acknowledged", "ready", "token 1 int", "token 1  x;", "done 1 stop"));
  EXPECT_EQ(rig.models.n_loads, 1);
  EXPECT_EQ(rig.models.n_alive, 0);
  EXPECT_EQ(rig.coordinator.context().turns()[0].by, SpecialistId{1});
  EXPECT_GT(rig.timings.total_ms, 0);
  EXPECT_GT(rig.timings.first_token_ms, 0);
  EXPECT_LE(rig.timings.first_token_ms, rig.timings.total_ms);
  EXPECT_EQ(rig.coordinator.metrics().n_answers[1], 1u);
}

TEST(CoordinatorTest, SaysHowFullTheContextIs) {
  Rig rig;
  ASSERT_TRUE(rig.handle("hi"));
  EXPECT_EQ(rig.context_use.n_tokens, 7u);
  EXPECT_EQ(rig.context_use.limit, 100u);
}

TEST(CoordinatorTest, ASummaryIsAnnouncedBeforeTheAnswerOfTheAssistantToo) {
  Rig rig;
  rig.assistant.summarises = true;
  ASSERT_TRUE(rig.handle("hi"));
  EXPECT_THAT(rig.events, ElementsAre("route", "summarising", "token 0 Hello", "token 0  you", "done 0 stop"));
}

TEST(CoordinatorTest, ForgettingIsSaidOnceInAConversationAndAgainWhenItGetsWorse) {
  Rig rig;
  ASSERT_TRUE(rig.handle("hi"));
  EXPECT_THAT(rig.events, ElementsAre("route", "token 0 Hello", "token 0  you", "done 0 stop"));
  for (const Forgetting what : {Forgetting::kSummarised, Forgetting::kDropped}) {
    rig.assistant.forgets = what;
    ASSERT_TRUE(rig.handle("hi"));
    EXPECT_THAT(rig.events, ElementsAre("route", "token 0 Hello", "token 0  you", "forget", "done 0 stop"));
    ASSERT_TRUE(rig.handle("hi"));
    EXPECT_THAT(rig.events, ElementsAre("route", "token 0 Hello", "token 0  you", "done 0 stop"));
  }
  rig.coordinator.context().reset();
  ASSERT_TRUE(rig.handle("hi"));
  EXPECT_THAT(rig.events, ElementsAre("route", "token 0 Hello", "token 0  you", "forget", "done 0 stop"));
}

TEST(CoordinatorTest, WhatAFailedSpecialistHasForgottenIsSaidToo) {
  Rig rig;
  rig.coder = {.pieces = {}, .fails = true, .summarises = true, .forgets = Forgetting::kSummarised};
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_THAT(rig.events, ElementsAre("route", "acknowledged", "ready", "summarising", "forget", "fallback",
                                      "token 0 Hello", "token 0  you", "done 0 stop"));
}

TEST(CoordinatorTest, TheNameIsTakenOffTheRequest) {
  Rig rig;
  rig.classify_works = false;  // and nothing is classified
  ASSERT_TRUE(rig.handle("@coding hello"));
  EXPECT_EQ(rig.last_request, "hello");
  EXPECT_EQ(rig.events.back(), "done 1 stop");
  EXPECT_EQ(rig.coordinator.context().turns()[0].request, "hello");
}

TEST(CoordinatorTest, LaterAnswersSeeEarlierTurns) {
  Rig rig;
  ASSERT_TRUE(rig.handle("hi"));
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_EQ(rig.n_turns_seen, 1u);
  EXPECT_EQ(rig.coordinator.context().turns().size(), 2u);
}

TEST(CoordinatorTest, WithoutClassificationTheAssistantAnswers) {
  Rig rig;
  rig.classify_works = false;
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_EQ(rig.events.back(), "done 0 stop");
  EXPECT_THAT(rig.coordinator.route("write code").reason, HasSubstr("routing failed (no features)"));
}

TEST(CoordinatorTest, AFailedLoadFallsBack) {
  for (const char* model : {"/m/missing", "/m/broken", "/m/huge"}) {
    Rig rig(model);
    ASSERT_TRUE(rig.handle("write code")) << model;
    EXPECT_THAT(rig.events,
                ElementsAre("route", "acknowledged", "fallback", "token 0 Hello", "token 0  you", "done 0 stop"));
    EXPECT_EQ(rig.coordinator.metrics().n_load_failures, 1u);
    EXPECT_EQ(rig.coordinator.metrics().n_fallbacks, 1u);
    EXPECT_EQ(rig.coordinator.context().turns()[0].answer, "Hello you");
    EXPECT_EQ(rig.coordinator.context().turns()[0].by, kAssistant);
  }
}

TEST(CoordinatorTest, TooSmallABudgetFallsBack) {
  Rig rig("/m/coder", 210);
  const auto assistant = rig.residency.acquire(kAssistant, {.is_pinned = true});
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_EQ(rig.events.back(), "done 0 stop");
  EXPECT_THAT(rig.fallback_reason, HasSubstr("budget"));
}

TEST(CoordinatorTest, AFailureInTheAnswerFallsBackAndVoidsItsText) {
  Rig rig;
  rig.coder.fails = true;
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_THAT(rig.events, ElementsAre("route", "acknowledged", "ready", "token 1 int", "token 1  x;", "fallback",
                                      "token 0 Hello", "token 0  you", "done 0 stop"));
  EXPECT_EQ(rig.fallback_reason, "the forward pass broke");
  EXPECT_EQ(rig.coordinator.context().turns()[0].answer, "Hello you");
  EXPECT_EQ(rig.models.n_alive, 0) << "the lease of the specialist is back";
}

TEST(CoordinatorTest, AnEmptyAnswerFallsBack) {
  Rig rig;
  rig.coder.pieces = {" ", "\n"};
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_EQ(rig.fallback_reason, "it gave no answer");
  EXPECT_EQ(rig.events.back(), "done 0 stop");
  EXPECT_EQ(rig.coordinator.metrics().n_answer_failures, 1u);
}

TEST(CoordinatorTest, WhenTheAssistantFailsTooThereIsAnError) {
  Rig rig;
  rig.assistant.fails = rig.coder.fails = true;
  const Status status = rig.handle("write code");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "the forward pass broke");
  EXPECT_EQ(rig.events.back(), "error");
  EXPECT_TRUE(rig.coordinator.context().turns().empty());
  EXPECT_EQ(rig.coordinator.metrics().n_errors, 1u);
}

TEST(CoordinatorTest, AnEmptyAnswerOfTheAssistantIsSaidInWords) {
  Rig rig;
  rig.assistant.pieces = {};
  ASSERT_TRUE(rig.handle("hi"));
  ASSERT_EQ(rig.events.size(), 3u);
  EXPECT_THAT(rig.events[1], HasSubstr("no answer"));
}

TEST(CoordinatorTest, AStopKeepsWhatWasSaidAndDoesNotFallBack) {
  Rig rig;
  rig.coder.stop_after_piece = true;
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_THAT(rig.events, ElementsAre("route", "acknowledged", "ready", "token 1 int", "done 1 cancelled"));
  EXPECT_EQ(rig.coordinator.context().turns()[0].answer, "int");
  EXPECT_EQ(rig.coordinator.metrics().n_cancelled, 1u);
  EXPECT_EQ(rig.coordinator.metrics().n_fallbacks, 0u);
}

TEST(CoordinatorTest, AStopBeforeTheLoadEndsTheRequest) {
  Rig rig;
  rig.stop_source.request_stop();
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_EQ(rig.events.back(), "done 1 cancelled");
  ASSERT_TRUE(rig.handle("hello"));
  EXPECT_EQ(rig.events.back(), "done 0 cancelled");
  EXPECT_TRUE(rig.coordinator.context().turns().empty());
  EXPECT_EQ(rig.coordinator.metrics().n_load_failures, 0u);
}

}  // namespace
}  // namespace sain::router
