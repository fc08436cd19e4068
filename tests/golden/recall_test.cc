// R11 on real models: what was said to one member is known to the next ones, through three switches and more.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "router/routed_chat.h"

namespace sain::router {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// Three models of three families, of which the budget holds the assistant and one; greedy.
class RecallTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Config config;
    config.file = "sain.toml";
    config.context_length = 1024;
    config.memory_budget_bytes = uint64_t{1250} << 20;
    config.prefetch = false;
    config.talk_after_ms = 0;
    config.assistant = {.name = "Ada", .model = "smollm2-135m-instruct", .max_tokens = 24};
    config.specialists.push_back({.name = "small", .model = "qwen2.5-coder-0.5b-instruct", .max_tokens = 24});
    config.specialists.push_back({.name = "large", .model = "qwen2.5-coder-1.5b-instruct", .max_tokens = 24});
    auto chat = RoutedChat::open(config, {});
    ASSERT_TRUE(chat) << chat.error().message;
    chat_ = *std::move(chat);
  }

  /// The answer of the member that is asked by name, and of nobody else.
  std::string ask(SpecialistId id, const std::string& request) {
    const std::string name = chat_->team()->members().names[index(id)];
    std::string text;
    SpecialistId by = kAssistant;
    const Status status =
        chat_->team()->coordinator().handle(conversation_, "@" + name + " " + request, {}, [&](const Event& event) {
          if (const auto* token = std::get_if<TokenEvent>(&event)) text += token->text;
          if (const auto* done = std::get_if<DoneEvent>(&event)) by = done->by;
        });
    EXPECT_TRUE(status) << status.error().message;
    EXPECT_EQ(by, id) << name;
    return text;
  }

  std::unique_ptr<RoutedChat> chat_;
  Conversation conversation_;
};

constexpr SpecialistId kSmall{1}, kLarge{2};

TEST_F(RecallTest, APlantedFactIsKnownAfterThreeSwitches) {
  ask(kAssistant, "My dog is called Zorblat. Please remember that.");
  ask(kLarge, "How many days does a week have?");
  const uint64_t loads = chat_->residency().counters().n_loads;
  EXPECT_THAT(ask(kSmall, "What is the name of my dog?"), HasSubstr("Zorblat"));
  EXPECT_THAT(ask(kLarge, "What is the name of my dog?"), HasSubstr("Zorblat"));
  EXPECT_THAT(ask(kAssistant, "What is the name of my dog?"), HasSubstr("Zorblat"));
  EXPECT_THAT(ask(kSmall, "What is the name of my dog?"), HasSubstr("Zorblat"));
  EXPECT_EQ(chat_->residency().counters().n_loads, loads + 3) << "each of them is a switch";
}

TEST_F(RecallTest, AForgottenFactIsNot) {
  ask(kAssistant, "My dog is called Zorblat. Please remember that.");
  chat_->forget(conversation_);
  EXPECT_THAT(ask(kAssistant, "What is the name of my dog?"), Not(HasSubstr("Zorblat")));
}

}  // namespace
}  // namespace sain::router
