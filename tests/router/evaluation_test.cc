// What the report about drafts counts.
#include "router/evaluation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace sain::router {
namespace {

constexpr SpecialistId kCoding{1};

/// `label`: none is out of scope. Every token of the draft is as probable.
DraftedRequest drafted(std::optional<SpecialistId> label, RouteCause cause, double probability) {
  RouteDecision decision;
  decision.cause = cause;
  decision.probabilities = {0.45, 0.55};
  return {{{"a request", label}, std::move(decision), 0}, std::vector<double>(30, std::log(probability))};
}

TEST(DraftReportTest, CountsWhoShouldAnswerAndWhoWould) {
  const DraftReport report = report_drafts(
      {drafted(kAssistant, RouteCause::kBelowThreshold, 0.9), drafted(std::nullopt, RouteCause::kBelowThreshold, 0.35),
       drafted(kCoding, RouteCause::kBelowThreshold, 0.25), drafted(kCoding, RouteCause::kBelowThreshold, 0.7),
       drafted(kCoding, RouteCause::kConfident, 0.95), drafted(kAssistant, RouteCause::kConfident, 0.96)});
  EXPECT_EQ(report.n_own, 3u);
  EXPECT_EQ(report.n_others, 3u);
  EXPECT_EQ(report.n_unsure_own, 2u);
  EXPECT_EQ(report.n_unsure_others, 2u);
  ASSERT_EQ(report.measures.size(), 9u);
  EXPECT_EQ(report.measures[2].n_tokens, DraftGate::kTokens);
  EXPECT_NEAR(report.measures[2].auroc, 6.0 / 9, 1e-9) << "0.96 beats three, 0.9 two, 0.35 one";
  EXPECT_NEAR(report.measures[2].unsure_auroc, 3.0 / 4, 1e-9);
  std::vector<std::pair<uint32_t, uint32_t>> points;
  for (const DraftReport::Point& point : report.points) points.emplace_back(point.n_escalated, point.n_right);
  // Thresholds 0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.
  EXPECT_THAT(points, ::testing::ElementsAre(std::pair(0, 2), std::pair(0, 2), std::pair(1, 3), std::pair(2, 2),
                                             std::pair(2, 2), std::pair(2, 2), std::pair(3, 3), std::pair(4, 2)));
}

TEST(DraftReportTest, OfNothing) {
  const DraftReport report = report_drafts({});
  EXPECT_EQ(report.n_own + report.n_others, 0u);
  EXPECT_EQ(report.measures[0].auroc, 0);
}

}  // namespace
}  // namespace sain::router
