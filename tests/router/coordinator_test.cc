// A request is never lost: a fault at each step, and the order of what is told.
#include "router/coordinator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/router/coordinator_rig.h"

namespace sain::router {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(CoordinatorTest, TheAssistantAnswersAtOnce) {
  Rig rig;
  ASSERT_TRUE(rig.handle("good morning"));
  EXPECT_THAT(rig.events, ElementsAre("route", "token 0 Hello", "token 0  you", "done 0 stop"));
  ASSERT_EQ(rig.conversation.context.turns().size(), 1u);
  EXPECT_EQ(rig.conversation.context.turns()[0].answer, "Hello you");
}

TEST(CoordinatorTest, ASpecialistIsAnnouncedLoadedAndUnloaded) {
  Rig rig;
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_THAT(rig.events, ElementsAre("route", "acknowledged", "ready", "token 1 int", "token 1  x;", "done 1 stop"));
  EXPECT_EQ(rig.models.n_loads, 1);
  EXPECT_EQ(rig.models.n_alive, 0);
  EXPECT_EQ(rig.conversation.context.turns()[0].by, SpecialistId{1});
  EXPECT_GT(rig.timings.total_ms, 0);
  EXPECT_GT(rig.timings.first_token_ms, 0);
  EXPECT_LE(rig.timings.first_token_ms, rig.timings.total_ms);
  EXPECT_EQ(rig.coordinator.metrics().n_answers[1], 1u);
}

TEST(CoordinatorTest, WhoIsAskedForOtherwiseThanByTheTextAnswersTheWholeOfIt) {
  Rig rig;
  rig.options.member = kAssistant;
  ASSERT_TRUE(rig.handle("@coding write code"));
  EXPECT_THAT(rig.events, ElementsAre("route", "token 0 Hello", "token 0  you", "done 0 stop"));
  EXPECT_EQ(rig.last_request, "@coding write code");
  rig.options.member = SpecialistId{1};
  ASSERT_TRUE(rig.handle("good morning"));
  EXPECT_THAT(rig.events, Contains("done 1 stop"));
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
  rig.conversation.reset();
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
  EXPECT_EQ(rig.conversation.context.turns()[0].request, "hello");
}

// R11.
TEST(CoordinatorTest, LaterAnswersSeeEarlierTurns) {
  Rig rig;
  ASSERT_TRUE(rig.handle("hi"));
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_EQ(rig.n_turns_seen, 1u);
  EXPECT_EQ(rig.conversation.context.turns().size(), 2u);
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
    EXPECT_EQ(rig.conversation.context.turns()[0].answer, "Hello you");
    EXPECT_EQ(rig.conversation.context.turns()[0].by, kAssistant);
  }
}

TEST(CoordinatorTest, TooSmallABudgetFallsBack) {
  Rig rig("/m/coder", 205);
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
  EXPECT_EQ(rig.conversation.context.turns()[0].answer, "Hello you");
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

TEST(CoordinatorTest, TheSecondBestSpecialistComesBeforeTheAssistant) {
  for (const char* model : {"/m/missing", "/m/coder"}) {
    Rig rig(three_members(model));
    rig.coder.fails = true;
    rig.probabilities = {0.1, 0.7, 0.2};
    ASSERT_TRUE(rig.handle("write code"));
    EXPECT_EQ(rig.events.back(), "done 2 stop");
    EXPECT_EQ(rig.coordinator.metrics().n_fallbacks, 1u);
    rig.writer.fails = true;
    ASSERT_TRUE(rig.handle("write code"));
    EXPECT_EQ(rig.events.back(), "done 0 stop");
    rig.probabilities = {0.2, 0.75, 0.05};
    rig.writer.fails = false;
    ASSERT_TRUE(rig.handle("write code"));
    EXPECT_EQ(rig.events.back(), "done 0 stop") << "whom hardly anything speaks for is no help";
  }
}

TEST(CoordinatorTest, ARefusalIsNotShownAndFallsBack) {
  Rig rig;
  rig.coder.pieces = {"I'm sor", "ry, but I can't", " assist with that."};
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_THAT(rig.events, ElementsAre("route", "acknowledged", "ready", "fallback", "token 0 Hello", "token 0  you",
                                      "done 0 stop"));
  EXPECT_EQ(rig.fallback_reason, "it refused to answer");
  rig.coder.pieces = {"I'm sor", "ted by name."};
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_THAT(rig.events, ElementsAre("route", "acknowledged", "ready", "token 1 I'm sorted by name.", "done 1 stop"));
}

TEST(CoordinatorTest, ASpecialistThatDoesNotBeginFallsBack) {
  Rig rig(two_members("/m/coder"), 1000, {.answer_timeout = std::chrono::milliseconds(5)});
  rig.coder.hangs = true;
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_EQ(rig.events.back(), "done 0 stop");
  EXPECT_THAT(rig.fallback_reason, HasSubstr("had not begun after 0.005 s"));
}

TEST(CoordinatorTest, ASpecialistThatThinksHasBegun) {
  Rig rig(two_members("/m/coder"), 1000, {.answer_timeout = kAnswerTimeout});
  rig.coder.thinks = true;
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_THAT(rig.events,
              ElementsAre("route", "acknowledged", "ready", "thinking", "token 1 int", "token 1  x;", "done 1 stop"));
  EXPECT_EQ(rig.conversation.context.turns()[0].answer, "int x;");
}

TEST(CoordinatorTest, ALoadThatTakesTooLongFallsBack) {
  Rig rig(two_members("/m/coder"), 1000, {.load_timeout = std::chrono::milliseconds(5)});
  rig.models.waits_for_stop_of = "/m/coder";
  const auto assistant = rig.residency.acquire(kAssistant, {.is_pinned = true});  // in memory, as it always is
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_EQ(rig.events.back(), "done 0 stop");
  EXPECT_THAT(rig.fallback_reason, HasSubstr("was not in memory after 0.005 s"));
}

TEST(CoordinatorTest, TheAssistantTalksWhileASpecialistIsLoaded) {
  Rig rig(two_members("/m/coder"), 1000, {.talk_after = std::chrono::milliseconds(2)});
  rig.models.load_time = std::chrono::milliseconds(60);
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_GT(rig.n_words_said, 0);
  EXPECT_THAT(rig.events, ElementsAre("route", "acknowledged", "talking", "talking", "talking", "ready", "token 1 int",
                                      "token 1  x;", "done 1 stop"));
  rig.n_words_said = 0;
  const auto lease = rig.residency.acquire(SpecialistId{1});
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_EQ(rig.n_words_said, 0) << "there is nothing to wait for";
}

TEST(CoordinatorTest, AStopWhileTheAssistantTalksEndsTheRequest) {
  Rig rig(two_members("/m/coder"), 1000, {.talk_after = std::chrono::milliseconds(1)});
  rig.models.waits_for_stop_of = "/m/coder";
  std::jthread stopper([&] {
    while (rig.n_words_said == 0) std::this_thread::yield();
    rig.stop_source.request_stop();
  });
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_EQ(rig.events.back(), "done 1 cancelled");
}

TEST(CoordinatorTest, TheModeDecides) {
  Rig rig(three_members());
  rig.options.mode = Mode::kFast;
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_EQ(rig.events.back(), "done 0 stop");
  rig.options.mode = Mode::kSlow;
  rig.probabilities = {0.9, 0.04, 0.06};
  ASSERT_TRUE(rig.handle("hello"));
  EXPECT_EQ(rig.events.back(), "done 2 stop");
}

TEST(CoordinatorTest, AConversationDoesNotFlap) {
  Rig rig(three_members(), 1000, {.policy = {.stickiness = 3}});
  rig.probabilities = {0.1, 0.8, 0.1};
  ASSERT_TRUE(rig.handle("write code"));
  rig.probabilities = {0.1, 0.4, 0.5};
  ASSERT_TRUE(rig.handle("now as a table with a heading, please, and sorted by the second column"));
  EXPECT_EQ(rig.events.back(), "done 1 stop") << "0.4 x 3 is more than 0.5";
  rig.probabilities = {0.1, 0.1, 0.8};
  ASSERT_TRUE(rig.handle("a story"));
  EXPECT_EQ(rig.events.back(), "done 2 stop");
}

TEST(CoordinatorTest, WhatSaysLittleIsUnderstoodByTheRequestBefore) {
  Rig rig(three_members());
  rig.probabilities_of = [](std::string_view text) {
    if (text == "and in Rust?") return std::vector<double>{0.6, 0.2, 0.2};
    return text.starts_with("Sort a list") ? std::vector<double>{0, 1, 0} : std::vector<double>{1, 0, 0};
  };
  ASSERT_TRUE(rig.handle("and in Rust?"));
  EXPECT_EQ(rig.events.back(), "done 0 stop") << "there was nothing before";
  ASSERT_TRUE(rig.handle("Sort a list in Java"));
  ASSERT_TRUE(rig.handle("and in Rust?"));
  EXPECT_EQ(rig.events.back(), "done 1 stop");
  ASSERT_TRUE(rig.handle("Thank you"));
  EXPECT_EQ(rig.events.back(), "done 0 stop") << "that is sure enough alone";
}

TEST(CoordinatorTest, WhereNobodyIsSureTheAssistantVotes) {
  Rig rig(three_members(), 1000, {.vote_weight = 0.5});
  rig.probabilities = {0.1, 0.5, 0.4};
  ASSERT_TRUE(rig.handle("who knows"));
  EXPECT_EQ(rig.events.back(), "done 2 stop") << "it votes for the writer: 0.5 x 0.4 + 0.5 x 1";
  EXPECT_EQ(rig.n_votes, 1);
  rig.conversation.reset();
  rig.probabilities = {0.1, 0.8, 0.1};
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_EQ(rig.events.back(), "done 1 stop");
  EXPECT_EQ(rig.n_votes, 1) << "it is not asked where somebody is sure";
}

TEST(CoordinatorTest, WhoeverIsLikelyToBeNextIsLoadedAhead) {
  Rig rig(three_members(), 1000, {.prefetch = true}, KeepLoaded::kUntilNeeded);
  for (int i = 0; i < 5; ++i) rig.transitions.record({}, "writing");
  ASSERT_TRUE(rig.handle("hello"));
  while (!rig.residency.is_loaded(SpecialistId{2})) std::this_thread::yield();
  EXPECT_FALSE(rig.residency.is_loaded(SpecialistId{1}));
}

// R46, R65: a request of two steps is a plan, whose second step sees what the first gave.
TEST(CoordinatorTest, ARequestOfSeveralStepsIsAPlan) {
  Rig rig(three_members(), 1000, {.synthesis = true});
  rig.probabilities_of = [](std::string_view text) {
    return text.starts_with("Write") ? std::vector<double>{0, 0.9, 0.1} : std::vector<double>{0, 0.1, 0.9};
  };
  ASSERT_TRUE(rig.handle("Write a loop over a list, then describe it in a story."));
  EXPECT_THAT(rig.events, ElementsAre("route", "plan", "step", "acknowledged", "ready", "token 1 int", "token 1  x;",
                                      "step", "acknowledged", "ready", "token 2 Once", "step", "token 0 Hello",
                                      "token 0  you", "done 2 stop"));
  const auto& turns = rig.conversation.context.turns();
  ASSERT_EQ(turns.size(), 2u);
  EXPECT_EQ(turns[0].request, "Write a loop over a list");
  EXPECT_EQ(turns[1].request, "describe it in a story.");
  EXPECT_EQ(turns[1].by, SpecialistId{2});
}

TEST(CoordinatorTest, StepsOfOneMemberAreNoPlan) {
  Rig rig(three_members());
  rig.probabilities = {0, 0.9, 0.1};
  ASSERT_TRUE(rig.handle("Write a loop over a list, then describe it in a story."));
  EXPECT_EQ(rig.events[1], "acknowledged");
  EXPECT_EQ(rig.last_request, "Write a loop over a list, then describe it in a story.");
  rig.options.mode = Mode::kFast;
  ASSERT_TRUE(rig.handle("Write a loop over a list, then describe it in a story."));
  EXPECT_EQ(rig.events.back(), "done 0 stop");
}

TEST(CoordinatorTest, AStepThatFailsFallsBackAndTheNextGoesOn) {
  Rig rig(three_members("/m/broken"));
  rig.probabilities_of = [](std::string_view text) {
    return text.starts_with("Write") ? std::vector<double>{0, 0.95, 0.05} : std::vector<double>{0, 0.1, 0.9};
  };
  ASSERT_TRUE(rig.handle("Write a loop over a list, then describe it in a story."));
  EXPECT_EQ(rig.conversation.context.turns()[0].by, kAssistant);
  EXPECT_EQ(rig.conversation.context.turns()[1].by, SpecialistId{2});
  EXPECT_EQ(rig.events.back(), "done 2 stop");
}

// R36: several conversations at once, with specialists that do not fit together.
TEST(CoordinatorTest, ConversationsShareWhatThereIs) {
  Rig rig(three_members(), 160);
  std::vector<std::jthread> threads;
  std::atomic<int> n_answers = 0;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      Conversation conversation;
      for (int i = 0; i < 25; ++i) {
        const std::string request = (i + t) % 2 == 0 ? "@coding loop" : "@writing story";
        ProtocolCheck check(rig.registry.snapshot());
        const Status status = rig.coordinator.handle(conversation, request, {}, [&](const Event& event) {
          EXPECT_TRUE(check.check_next(event));
          const auto* done = std::get_if<DoneEvent>(&event);
          n_answers += done != nullptr && done->by != kAssistant;
        });
        EXPECT_TRUE(status);
      }
      EXPECT_EQ(conversation.context.turns().size(), 25u);
    });
  threads.clear();
  EXPECT_EQ(n_answers, 100) << "every request by its specialist";
  EXPECT_EQ(rig.coordinator.metrics().n_requests, 100u);
}

TEST(CoordinatorTest, WhenTheAssistantFailsTooThereIsAnError) {
  Rig rig;
  rig.assistant.fails = rig.coder.fails = true;
  const Status status = rig.handle("write code");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "the forward pass broke");
  EXPECT_EQ(rig.events.back(), "error");
  EXPECT_TRUE(rig.conversation.context.turns().empty());
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
  EXPECT_EQ(rig.conversation.context.turns()[0].answer, "int");
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
  EXPECT_TRUE(rig.conversation.context.turns().empty());
  EXPECT_EQ(rig.coordinator.metrics().n_load_failures, 0u);
}

}  // namespace
}  // namespace sain::router
