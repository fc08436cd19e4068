// A seed is honoured, whether or not the beginning of a prompt is known from before.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "router/routed_chat.h"
#include "tests/support/temporary_folder.h"

namespace sain::router {
namespace {

class SeedTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    Config config;
    config.file = "sain.toml";
    config.directory = folder_.path();
    config.context_length = 512;
    config.assistant = {.name = "Ada",
                        .model = GetParam(),
                        .system_prompt = "You are helpful, and answer in whole sentences.",
                        .max_tokens = 48};
    RoutedChatOptions options;
    options.snapshots = folder_ / "prefixes";
    auto chat = RoutedChat::open(config, options);
    ASSERT_TRUE(chat) << chat.error().message;
    chat_ = *std::move(chat);
  }

  /// In a conversation of its own. `n_known_` becomes how much of its prompt nobody had to compute.
  std::string ask(std::string_view request, const AnswerOptions& answer) {
    Conversation conversation;
    std::string text;
    const Status status = chat_->team()->coordinator().handle(
        conversation, request, {.mode = Mode::kFast, .answer = answer}, [&](const Event& event) {
          if (const auto* token = std::get_if<TokenEvent>(&event)) text += token->text;
          if (const auto* handoff = std::get_if<HandoffEvent>(&event)) n_known_ = handoff->n_known;
        });
    EXPECT_TRUE(status) << status.error().message;
    EXPECT_NE(text, "");
    return text;
  }

  testing::TemporaryFolder folder_;
  std::unique_ptr<RoutedChat> chat_;
  uint64_t n_known_ = 0;
};

TEST_P(SeedTest, GivesTheSameAnswerToAPromptThatIsKnown) {
  std::string request = "Tell me of the sea, the wind, the moon and all that moves in the long nights of winter";
  for (int i = 0; i < 8; ++i) request += ", of what was before and of what comes after";
  const auto seeded = [](uint64_t seed) {
    return AnswerOptions{.temperature = 1.0F, .seed = seed, .is_repeatable = true};
  };
  std::vector<std::string> answers;
  for (uint64_t seed = 0; seed < 6; ++seed) answers.push_back(ask(request, seeded(seed)));
  EXPECT_NE(answers[0], answers[1]);
  for (int i = 0; i < 2; ++i) ask(request, {});
  for (uint64_t seed = 0; seed < 6; ++seed) EXPECT_EQ(ask(request, seeded(seed)), answers[seed]);
  EXPECT_GE(n_known_, 64u) << "the prompt was read anew";
  ask(request, {});
  EXPECT_GE(n_known_, 64u);
}

INSTANTIATE_TEST_SUITE_P(Models, SeedTest, ::testing::Values("smollm2-135m-instruct", "gemma-3-270m"));

}  // namespace
}  // namespace sain::router
