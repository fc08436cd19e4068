// Decisions are a pure function: a table says what each request becomes.
#include "router/route_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sain::router {
namespace {

using ::testing::HasSubstr;

/// The assistant has one intent, coding two, writing one.
RegistrySnapshot three_members() {
  return {.names = {"assistant", "coding", "writing"},
          .assistant_name = "Ada",
          .intents = {"assistant/talk", "coding/a", "coding/b", "writing/c"},
          .intent_owner = {SpecialistId{0}, SpecialistId{1}, SpecialistId{1}, SpecialistId{2}}};
}

struct Case {
  const char* what;
  std::string text;
  std::vector<double> probabilities;
  uint32_t target;
  RouteCause cause;
  double confidence;
  double margin;
  std::string request;
  const char* reason;
};

class DecideTest : public ::testing::TestWithParam<Case> {};

TEST_P(DecideTest, Decides) {
  const Case& c = GetParam();
  const RouteDecision decision =
      decide({c.text, {.probabilities = c.probabilities}}, three_members(), {.threshold = 0.6});
  EXPECT_EQ(index(decision.target), c.target);
  EXPECT_EQ(decision.cause, c.cause) << to_string(decision.cause);
  EXPECT_NEAR(decision.confidence, c.confidence, 1e-12);
  EXPECT_NEAR(decision.margin, c.margin, 1e-12);
  EXPECT_EQ(decision.request, c.request);
  EXPECT_THAT(decision.reason, HasSubstr(c.reason));
}

using enum RouteCause;
INSTANTIATE_TEST_SUITE_P(
    All, DecideTest,
    ::testing::Values(
        Case{"intents_are_summed", "x", {0.35, 0.34, 0.3, 0.01}, 1, kConfident, 0.64, 0.29, "x", "0.64 >= 0.60"},
        Case{"assistant_wins", "x", {0.5, 0.2, 0.1, 0.2}, 0, kConfident, 0.5, 0.2, "x", "assistant"},
        Case{"below_threshold",
             "x",
             {0.3, 0.3, 0.2, 0.2},
             0,
             kBelowThreshold,
             0.5,
             0.2,
             "x",
             "coding has confidence 0.50 < 0.60: the assistant answers"},
        Case{"at_threshold", "x", {0.4, 0.6, 0, 0}, 1, kConfident, 0.6, 0.2, "x", ">="},
        Case{"nothing_to_classify", "x", {}, 0, kUnclassified, 0, 0, "x", "nothing to classify"},
        Case{"explicit", "@writing a poem", {0.1, 0.8, 0.1, 0}, 2, kExplicit, 1, 1, "a poem", "@writing was asked for"},
        Case{"explicit_any_case", " \t@Coding: sort this", {}, 1, kExplicit, 1, 1, "sort this", "@coding was asked"},
        Case{"explicit_assistant", "@assistant hi", {0, 1, 0, 0}, 0, kExplicit, 1, 1, "hi", "@assistant"},
        Case{"explicit_own_name", "@ada, hi", {0, 1, 0, 0}, 0, kExplicit, 1, 1, "hi", "@assistant"},
        Case{"mention_alone", "@coding", {0.9, 0.1, 0, 0}, 0, kConfident, 0.9, 0.8, "@coding", "assistant"},
        Case{"unknown_mention",
             "@media does not work",
             {0, 0.9, 0, 0.1},
             1,
             kConfident,
             0.9,
             0.8,
             "@media does not work",
             "@media names nobody (there is @assistant, @coding, @writing)"},
        Case{"address", "@coding.org is down", {1, 0, 0, 0}, 0, kConfident, 1, 1, "@coding.org is down", "assistant"},
        Case{"mention_inside", "ask @coding", {1, 0, 0, 0}, 0, kConfident, 1, 1, "ask @coding", "assistant"},
        Case{"lone_at", "@", {1, 0, 0, 0}, 0, kConfident, 1, 1, "@", "assistant"},
        Case{"empty", "", {}, 0, kUnclassified, 0, 0, "", "nothing"}),
    [](const auto& test) { return std::string(test.param.what); });

TEST(DecideTest, WhatIsUnfamiliarIsTheAssistants) {
  const RouteRequest request{"x", {.probabilities = {0, 0, 0.99, 0.01}, .familiarity = 0.02}};
  const RouteDecision decision = decide(request, three_members(), {.min_familiarity = 0.05});
  EXPECT_EQ(decision.target, kAssistant);
  EXPECT_EQ(decision.cause, RouteCause::kUnfamiliar);
  EXPECT_THAT(decision.reason, HasSubstr("0.020 < 0.050"));
  EXPECT_NE(decide(request, three_members(), {.min_familiarity = 0.02}).target, kAssistant);
}

TEST(DecideTest, ProbabilitiesAreByMember) {
  const RouteDecision decision = decide({"x", {.probabilities = {0.1, 0.2, 0.3, 0.4}}}, three_members(), {});
  ASSERT_EQ(decision.probabilities.size(), 3u);
  EXPECT_DOUBLE_EQ(decision.probabilities[0], 0.1);
  EXPECT_DOUBLE_EQ(decision.probabilities[1], 0.5);
  EXPECT_DOUBLE_EQ(decision.probabilities[2], 0.4);
}

}  // namespace
}  // namespace sain::router
