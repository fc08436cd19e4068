// The conversation is cut from its old end, and never in the request.
#include "router/context_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sain::router {
namespace {

/// A token a byte, and two for each message.
Result<size_t> count_bytes(std::span<const Message> messages) {
  size_t n = 0;
  for (const Message& message : messages) n += message.content.size() + 2;
  return n;
}

ContextManager three_turns() {
  ContextManager context;
  context.record({"aaaa", "AAAA", kAssistant});
  context.record({"bbbb", "BBBB", SpecialistId{1}});
  context.record({"cccc", "CCCC", kAssistant});
  return context;
}

std::string joined(const ContextWindow& window) {
  std::string text;
  for (const Message& message : window.messages) text += message.role.substr(0, 1) + ":" + message.content + " ";
  return text;
}

TEST(ContextManagerTest, KeepsEverythingThatFits) {
  const auto window = three_turns().build("sys", "now", 46, count_bytes);  // 5 + 3 * 12 + 5
  ASSERT_TRUE(window);
  EXPECT_EQ(joined(*window), "s:sys u:aaaa a:AAAA u:bbbb a:BBBB u:cccc a:CCCC u:now ");
  EXPECT_EQ(window->n_tokens, 46u);
  EXPECT_EQ(window->n_dropped_turns, 0u);
}

TEST(ContextManagerTest, DropsTheOldestTurnsFirst) {
  for (size_t budget = 10; budget < 46; ++budget) {
    const auto window = three_turns().build("sys", "now", budget, count_bytes);
    ASSERT_TRUE(window) << budget;
    EXPECT_LE(window->n_tokens, budget);
    EXPECT_EQ(window->n_dropped_turns, 3 - (budget - 10) / 12) << budget;
    EXPECT_EQ(window->messages.front().content, "sys");
    EXPECT_EQ(window->messages.back().content, "now");
    EXPECT_EQ(window->messages.size(), 2 + 2 * (3 - window->n_dropped_turns));
  }
  EXPECT_EQ(joined(*three_turns().build("sys", "now", 22, count_bytes)), "s:sys u:cccc a:CCCC u:now ");
}

TEST(ContextManagerTest, ARequestThatDoesNotFitIsAnErrorAndNotCut) {
  const auto window = three_turns().build("sys", "now", 9, count_bytes);
  ASSERT_FALSE(window);
  EXPECT_EQ(window.error().code, ErrorCode::kResourceExhausted);
  EXPECT_THAT(window.error().message, ::testing::HasSubstr("takes 10 tokens, and there is room for 9"));
}

TEST(ContextManagerTest, NoSystemPromptGivesNoSystemMessage) {
  const auto window = ContextManager().build("", "now", 100, count_bytes);
  ASSERT_TRUE(window);
  EXPECT_EQ(joined(*window), "u:now ");
}

TEST(ContextManagerTest, LongConversationsAreCountedAFewTimesOnly) {
  ContextManager context;
  for (int i = 0; i < 1000; ++i) context.record({"request", "answer", kAssistant});
  size_t n_calls = 0;
  const auto window = context.build("", "now", 500, [&n_calls](std::span<const Message> messages) {
    ++n_calls;
    return count_bytes(messages);
  });
  ASSERT_TRUE(window);
  EXPECT_EQ(window->n_dropped_turns, 1000 - 495 / 17);
  EXPECT_LE(n_calls, 12u);
}

TEST(ContextManagerTest, ErrorsOfTheCounterComeThrough) {
  const auto window = three_turns().build("sys", "now", 100, [](std::span<const Message>) -> Result<size_t> {
    return make_error(ErrorCode::kInvalidArgument, "roles must alternate");
  });
  ASSERT_FALSE(window);
  EXPECT_EQ(window.error().message, "roles must alternate");
}

/// Fits "now" after "sys" by a policy; summaries are counted, and say what they are of.
struct Fitting {
  explicit Fitting(ConversationPolicy policy, size_t budget) {
    options.policy = policy;
    options.budget = budget;
    options.count_tokens = count_bytes;
    options.summarise = [this](std::span<const Turn> turns) -> Result<std::string> {
      ++n_summaries;
      if (fails) return make_error(ErrorCode::kInternal, "the pen is dry");
      std::string summary;
      for (const Turn& turn : turns) summary += turn.answer.substr(0, 2);
      return summary;
    };
  }
  Result<ContextWindow> operator()(ContextManager& context) { return context.fit("sys", "now", options); }

  FitOptions options;
  int n_summaries = 0;
  bool fails = false;
};

constexpr size_t kSummarySize = kSummaryRequest.size() + 2 + 2;  // without its text

TEST(FitTest, NothingHappensToWhatFits) {
  for (const auto policy : {ConversationPolicy::kStop, ConversationPolicy::kStream, ConversationPolicy::kCompact}) {
    ContextManager context = three_turns();
    Fitting fit(policy, 46);
    const auto window = fit(context);
    ASSERT_TRUE(window);
    EXPECT_EQ(window->messages.size(), 8u);
    EXPECT_EQ(context.turns().size(), 3u);
    EXPECT_EQ(context.forgetting(), Forgetting::kNothing);
    EXPECT_EQ(fit.n_summaries, 0);
  }
}

TEST(FitTest, StopIsAnErrorThatNamesTheLimit) {
  ContextManager context = three_turns();
  const auto window = Fitting(ConversationPolicy::kStop, 45)(context);
  ASSERT_FALSE(window);
  EXPECT_EQ(window.error().code, ErrorCode::kResourceExhausted);
  EXPECT_THAT(window.error().message,
              ::testing::HasSubstr("takes 46 tokens with this request, and there is room for 45"));
  EXPECT_EQ(context.turns().size(), 3u);
}

TEST(FitTest, StreamLeavesTheOldestTurnsOut) {
  ContextManager context = three_turns();
  const auto window = Fitting(ConversationPolicy::kStream, 34)(context);
  ASSERT_TRUE(window);
  EXPECT_EQ(joined(*window), "s:sys u:bbbb a:BBBB u:cccc a:CCCC u:now ");
  EXPECT_EQ(context.turns().size(), 3u);
  EXPECT_EQ(context.forgetting(), Forgetting::kStreamed);
}

TEST(FitTest, CompactLeavesHalfOfTheBudgetToTheSummaryAndWhatIsToCome) {
  ContextManager context;
  for (const char* letter : {"a", "b", "c", "d"}) context.record({std::string(40, *letter), "+" + std::string(letter)});
  Fitting fit(ConversationPolicy::kCompact, 190);  // 10 + 4 * 46 is more; two turns fit into the half
  const auto window = fit(context);
  ASSERT_TRUE(window);
  EXPECT_EQ(context.turns().size(), 2u);
  EXPECT_EQ(context.turns()[0].request, kSummaryRequest);
  EXPECT_EQ(context.turns()[0].answer, "+a+b+c");
  EXPECT_EQ(context.turns()[1].answer, "+d");
  EXPECT_EQ(window->n_tokens, 10 + kSummarySize + 6 + 46);
  EXPECT_EQ(window->messages.front().content, "sys");
  EXPECT_EQ(window->n_dropped_turns, 0u);
  EXPECT_EQ(context.forgetting(), Forgetting::kSummarised);
  EXPECT_THAT(context.forgetting_text(), ::testing::HasSubstr("a summary takes the place of its oldest turns"));

  // The next summary is of this one and of what came after it.
  context.record({"e", std::string(40, 'E')});
  ASSERT_TRUE(fit(context));
  EXPECT_EQ(fit.n_summaries, 2);
  EXPECT_EQ(context.turns().size(), 2u);
  EXPECT_EQ(context.turns()[0].answer, "+a+d");
  EXPECT_EQ(context.turns()[1].request, "e");
}

TEST(FitTest, WithoutASummaryTheOldestTurnsAreLeftOutAndItIsSaid) {
  ContextManager context = three_turns();
  Fitting fit(ConversationPolicy::kCompact, 40);
  fit.fails = true;
  const auto window = fit(context);
  ASSERT_TRUE(window);
  EXPECT_EQ(joined(*window), "s:sys u:bbbb a:BBBB u:cccc a:CCCC u:now ");
  EXPECT_EQ(context.turns().size(), 3u) << "the next request may have more luck";
  EXPECT_EQ(context.forgetting(), Forgetting::kDropped);
  EXPECT_THAT(context.forgetting_text(), ::testing::HasSubstr("left out (there is no summary: the pen is dry)"));
}

TEST(FitTest, ASummaryThatDoesNotFitBesideTheRequestIsLeftOut) {
  ContextManager context = three_turns();
  const auto window = Fitting(ConversationPolicy::kCompact, 12)(context);
  ASSERT_TRUE(window);
  EXPECT_EQ(joined(*window), "s:sys u:now ");
  EXPECT_EQ(context.forgetting(), Forgetting::kDropped);
  EXPECT_EQ(context.turns().size(), 1u);
  EXPECT_EQ(context.turns()[0].request, kSummaryRequest);
}

TEST(FitTest, ARequestTooLongIsAnErrorUnderEveryPolicy) {
  for (const auto policy : {ConversationPolicy::kStop, ConversationPolicy::kStream, ConversationPolicy::kCompact}) {
    ContextManager context = three_turns();
    Fitting fit(policy, 9);
    EXPECT_FALSE(fit(context));
    EXPECT_EQ(fit.n_summaries, 0);
    EXPECT_EQ(context.turns().size(), 3u);
  }
}

TEST(ContextManagerTest, OnlyTheWorstIsKept) {
  ContextManager context;
  context.forgets(Forgetting::kDropped, "worse");
  context.forgets(Forgetting::kSummarised, "bad");
  EXPECT_EQ(context.forgetting(), Forgetting::kDropped);
  EXPECT_EQ(context.forgetting_text(), "worse");
}

TEST(ContextManagerTest, ResetForgets) {
  ContextManager context = three_turns();
  context.forgets(Forgetting::kDropped, "some are gone");
  context.reset();
  EXPECT_TRUE(context.turns().empty());
  EXPECT_EQ(context.forgetting(), Forgetting::kNothing);
}

}  // namespace
}  // namespace sain::router
