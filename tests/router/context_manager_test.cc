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

TEST(ContextManagerTest, ResetForgets) {
  ContextManager context = three_turns();
  context.reset();
  EXPECT_TRUE(context.turns().empty());
}

}  // namespace
}  // namespace sain::router
