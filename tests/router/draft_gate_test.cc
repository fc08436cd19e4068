// How sure a draft is, and what passes.
#include "router/draft_gate.h"

#include <gtest/gtest.h>

#include <cmath>

namespace sain::router {
namespace {

struct TextSink : engine::TokenSink {
  void on_text(std::string_view piece) override { text += piece; }
  std::string text;
};

void say(DraftGate& gate, double probability, std::string_view text) {
  gate.on_token({0, std::log(probability), {}});
  gate.on_text(text);
}

TEST(DraftConfidenceTest, MeasuresOfProbabilities) {
  const std::vector<double> logprobs = {std::log(0.9), std::log(0.4), std::log(0.6)};
  EXPECT_NEAR(draft_confidence(logprobs), std::cbrt(0.9 * 0.4 * 0.6), 1e-12);
  EXPECT_NEAR(draft_confidence(logprobs, DraftMeasure::kLeast), 0.4, 1e-12);
  EXPECT_NEAR(draft_confidence(logprobs, DraftMeasure::kShare), 2.0 / 3, 1e-12);
  EXPECT_EQ(draft_confidence({}), 0);
}

TEST(DraftGateTest, PassesOnFromTheTokenThatDecides) {
  TextSink sink;
  DraftGate gate(0.5, sink, {});
  for (size_t i = 1; i < DraftGate::kTokens; ++i) say(gate, 0.5, "a");
  EXPECT_EQ(sink.text, "");
  EXPECT_FALSE(gate.is_open());
  say(gate, 0.6, "b");
  EXPECT_TRUE(gate.is_open());
  say(gate, 0.001, "c");
  EXPECT_EQ(sink.text, std::string(DraftGate::kTokens - 1, 'a') + "bc") << "what comes later does not count";
  gate.finish();
  EXPECT_TRUE(gate.is_open());
  EXPECT_FALSE(gate.token().stop_requested());
}

TEST(DraftGateTest, StopsWhatIsNotSureEnough) {
  TextSink sink;
  DraftGate gate(0.5, sink, {});
  for (size_t i = 0; i < DraftGate::kTokens; ++i) {
    EXPECT_FALSE(gate.token().stop_requested());
    say(gate, 0.49, "a");
  }
  EXPECT_TRUE(gate.token().stop_requested());
  EXPECT_NEAR(gate.confidence(), 0.49, 1e-9);
  gate.finish();
  EXPECT_FALSE(gate.is_open());
  EXPECT_EQ(sink.text, "");
}

TEST(DraftGateTest, AShortAnswerIsDecidedAtItsEnd) {
  for (const double probability : {0.49, 0.51}) {
    TextSink sink;
    DraftGate gate(0.5, sink, {});
    say(gate, probability, "Yes.");
    EXPECT_EQ(sink.text, "");
    gate.finish();
    EXPECT_EQ(gate.is_open(), probability > 0.5);
    EXPECT_EQ(sink.text, gate.is_open() ? "Yes." : "");
  }
}

TEST(DraftGateTest, AStopOfTheCallerDecidesNothing) {
  TextSink sink;
  std::stop_source stop;
  DraftGate gate(0.5, sink, stop.get_token());
  say(gate, 1, "Yes.");
  stop.request_stop();
  EXPECT_TRUE(gate.token().stop_requested());
  gate.finish();
  EXPECT_FALSE(gate.is_open());
  EXPECT_EQ(sink.text, "");
}

}  // namespace
}  // namespace sain::router
