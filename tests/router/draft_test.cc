// Where nobody is sure the assistant begins: kept, left to the specialist, and never lost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "router/draft_gate.h"
#include "tests/router/coordinator_rig.h"

namespace sain::router {
namespace {

using ::testing::ElementsAre;

/// Of a request for which coding is the most probable, and not enough.
struct DraftRig : Rig {
  explicit DraftRig(const std::string& specialist_model = "/m/coder")
      : Rig(two_members(specialist_model), 1000, {.draft_confidence = 0.5}) {
    probabilities = {0.45, 0.55};
  }
};

// R59: what the assistant is sure of it keeps.
TEST(DraftTest, ADraftThatTheAssistantIsSureOfIsKept) {
  DraftRig rig;
  rig.assistant.probability = 0.8;
  ASSERT_TRUE(rig.handle("who knows"));
  EXPECT_THAT(rig.events, ElementsAre("route", "token 0 Hello you", "done 0 stop"));
  EXPECT_EQ(rig.conversation.context.turns()[0].answer, "Hello you");
  EXPECT_EQ(rig.coordinator.metrics().n_fallbacks, 0u);

  rig.assistant.pieces = std::vector<const char*>(DraftGate::kTokens, "a ");
  rig.assistant.pieces.insert(rig.assistant.pieces.end(), {"b", "c"});
  ASSERT_TRUE(rig.handle("who knows"));
  ASSERT_EQ(rig.events.size(), 6u) << "the draft, and what goes on from there";
  EXPECT_EQ(rig.events[1].size(), std::string("token 0 ").size() + 2 * (DraftGate::kTokens - 1));
  EXPECT_EQ(rig.events[2], "token 0 a ") << "whose token decided";
  EXPECT_EQ(rig.events[3], "token 0 b");
}

// R59: and what it is not sure of nobody sees.
TEST(DraftTest, ADraftThatTheAssistantIsNotSureOfIsLeftToTheSpecialist) {
  DraftRig rig;
  rig.assistant.probability = 0.4;
  rig.assistant.pieces = std::vector<const char*>(100, "a ");
  ASSERT_TRUE(rig.handle("who knows"));
  EXPECT_THAT(rig.events,
              ElementsAre("route", "fallback", "acknowledged", "ready", "token 1 int", "token 1  x;", "done 1 stop"));
  EXPECT_EQ(rig.fallback_reason, "a confidence of 0.40 < 0.50 in its draft");
  EXPECT_EQ(rig.n_pieces, static_cast<int>(DraftGate::kTokens) + 2) << "it is stopped as soon as that is clear";
  ASSERT_EQ(rig.conversation.context.turns().size(), 1u);
  EXPECT_EQ(rig.conversation.context.turns()[0].answer, "int x;");
  const Metrics metrics = rig.coordinator.metrics();
  EXPECT_EQ(metrics.n_fallbacks, 1u);
  EXPECT_EQ(metrics.n_answer_failures, 0u) << "that is no failure";
}

TEST(DraftTest, ADraftThatFailsOrIsEmptyIsLeftToTheSpecialist) {
  DraftRig rig;
  rig.assistant.fails = true;
  ASSERT_TRUE(rig.handle("who knows"));
  EXPECT_EQ(rig.events.back(), "done 1 stop");
  EXPECT_EQ(rig.fallback_reason, "the forward pass broke");
  rig.conversation.reset();
  rig.assistant.fails = false;
  rig.assistant.pieces = {" "};
  ASSERT_TRUE(rig.handle("who knows"));
  EXPECT_EQ(rig.events.back(), "done 1 stop");
  EXPECT_EQ(rig.fallback_reason, "it gave no answer");
}

// R59: no request is lost by it.
TEST(DraftTest, WhenTheSpecialistOfADraftFailsTheAssistantAnswersAllTheSame) {
  for (const char* model : {"/m/missing", "/m/coder"}) {
    DraftRig rig(model);
    rig.assistant.probability = 0.4;
    rig.coder.fails = true;
    rig.coder.pieces = {};
    ASSERT_TRUE(rig.handle("who knows"));
    EXPECT_EQ(rig.events[1], "fallback");
    EXPECT_THAT(std::vector<std::string>(rig.events.end() - 4, rig.events.end()),
                ElementsAre("fallback", "token 0 Hello", "token 0  you", "done 0 stop"));
    EXPECT_EQ(rig.coordinator.metrics().n_fallbacks, 2u);
    rig.assistant.fails = true;
    EXPECT_FALSE(rig.handle("who knows"));
    EXPECT_EQ(rig.events.back(), "error");
  }
}

TEST(DraftTest, AStopInADraftLeavesNothing) {
  DraftRig rig;
  rig.assistant.stop_after_piece = true;
  ASSERT_TRUE(rig.handle("who knows"));
  EXPECT_THAT(rig.events, ElementsAre("route", "done 0 cancelled"));
  EXPECT_TRUE(rig.conversation.context.turns().empty()) << "nobody has seen it";
  EXPECT_EQ(rig.coordinator.metrics().n_cancelled, 1u);
  EXPECT_EQ(rig.coordinator.metrics().n_fallbacks, 0u);
}

TEST(DraftTest, OnlyWhereNobodyIsSureIsThereADraft) {
  Rig off(two_members("/m/coder"));
  off.probabilities = {0.45, 0.55};
  off.assistant.probability = 0.1;
  ASSERT_TRUE(off.handle("who knows"));
  EXPECT_EQ(off.events.back(), "done 0 stop") << "it is off by default";
  DraftRig rig;
  rig.assistant.probability = 0.1;
  for (const auto& p : {std::vector<double>{0.55, 0.45}, {0.9, 0.1}}) {
    rig.probabilities = p;
    ASSERT_TRUE(rig.handle("hello"));
    EXPECT_EQ(rig.events.back(), "done 0 stop");
  }
  rig.probabilities = {0.45, 0.55};
  rig.options.mode = Mode::kFast;
  ASSERT_TRUE(rig.handle("who knows"));
  EXPECT_EQ(rig.events.back(), "done 0 stop");
}

TEST(DraftTest, GivesTheLogProbabilitiesOfADraft) {
  Rig rig;
  rig.assistant.probability = 0.25;
  rig.assistant.pieces = std::vector<const char*>(100, "a ");
  const auto some = rig.coordinator.draft("who knows", 3);
  ASSERT_TRUE(some) << some.error().message;
  EXPECT_THAT(*some, ::testing::Each(std::log(0.25)));
  EXPECT_EQ(some->size(), 3u);
  EXPECT_EQ(rig.n_pieces, 3);
  EXPECT_TRUE(rig.conversation.context.turns().empty());
}

}  // namespace
}  // namespace sain::router
