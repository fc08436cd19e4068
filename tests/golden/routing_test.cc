// Routing with real weights: held-out requests go where they belong, and a conversation runs through a specialist.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "router/evaluation.h"
#include "router/protocol/protocol_check.h"
#include "router/routed_chat.h"

namespace sain::router {
namespace {

using ::testing::HasSubstr;

class RoutingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    open([](Config&) {});
  }

  /// The built-in configuration with short answers, and what a test is about.
  void open(const std::function<void(Config&)>& change) {
    auto config = default_config();
    ASSERT_TRUE(config) << config.error().message;
    config->context_length = 1024;
    config->assistant.max_tokens = 24;
    config->assistant.sampling = {};
    for (MemberConfig& member : config->specialists) member.max_tokens = 48;
    config->unload_after_answer = true;
    change(*config);
    chat_.reset();
    auto chat = RoutedChat::open(*config, {});
    ASSERT_TRUE(chat) << chat.error().message;
    chat_ = *std::move(chat);
  }

  struct Outcome {
    SpecialistId by = kAssistant;
    std::string text, thought;
    RequestTimings timings;
    size_t n_status = 0;
    bool fell_back = false;
  };

  Outcome ask(const std::string& request, Mode mode = Mode::kAuto) {
    Outcome outcome;
    const std::shared_ptr<Team> team = chat_->team();
    ProtocolCheck check(team->members());
    const Status status = team->coordinator().handle(conversation_, request, {.mode = mode}, [&](const Event& event) {
      const Status next = check.check_next(event);
      EXPECT_TRUE(next) << next.error().message;
      const auto* thought = std::get_if<StatusEvent>(&event);
      if (thought != nullptr && thought->kind == StatusEvent::Kind::kThinking) outcome.thought += thought->text;
      if (const auto* token = std::get_if<TokenEvent>(&event)) outcome.text += token->text;
      if (const auto* done = std::get_if<DoneEvent>(&event)) outcome.by = done->by, outcome.timings = done->timings;
      outcome.n_status += std::holds_alternative<StatusEvent>(event);
      outcome.fell_back |= std::holds_alternative<FallbackEvent>(event);
    });
    EXPECT_TRUE(status) << status.error().message;
    return outcome;
  }

  std::unique_ptr<RoutedChat> chat_;
  Conversation conversation_;
};

// R12, R13.
TEST_F(RoutingTest, HeldOutRequestsGoWhereTheyBelong) {
  const RegistrySnapshot& registry = chat_->team()->members();
  const auto text = read_config_file(chat_->team()->config(), chat_->team()->config().routing.evaluation);
  ASSERT_TRUE(text);
  const auto requests = parse_labelled_requests(*text, "evaluation.toml", registry);
  ASSERT_TRUE(requests) << requests.error().message;
  ASSERT_GE(requests->size(), 150u);
  std::vector<RoutedRequest> routed;
  for (const LabelledRequest& request : *requests)
    routed.push_back({request, chat_->team()->coordinator().route(request.text), 0});
  const RouteReport measured = report(routed, registry);
  RecordProperty("accuracy", std::to_string(measured.accuracy));
  EXPECT_GE(measured.accuracy, 0.95);
  EXPECT_GE(measured.rejected, 0.95);
  EXPECT_GE(measured.confidence.auroc, 0.97);
  EXPECT_LE(measured.calibration_error, 0.04);
}

// R3, R17: without a network, and the memory comes back.
TEST_F(RoutingTest, AConversationPassesThroughTheCodingSpecialist) {
  const uint64_t used = chat_->residency().used_bytes();

  const Outcome greeting = ask("Hello! How are you today?");
  EXPECT_EQ(greeting.by, kAssistant);
  EXPECT_EQ(greeting.n_status, 0u);
  EXPECT_FALSE(greeting.text.empty());

  const Outcome code = ask("Write a Python function that reverses a string.");
  EXPECT_EQ(chat_->team()->members().names[index(code.by)], "coding");
  EXPECT_FALSE(code.fell_back);
  EXPECT_GE(code.n_status, 2u);
  EXPECT_THAT(code.text, HasSubstr("def "));
  EXPECT_EQ(chat_->residency().used_bytes(), used) << "the specialist's memory is back";
  EXPECT_FALSE(chat_->residency().is_loaded(code.by));

  const Outcome thanks = ask("Thank you!");
  EXPECT_EQ(thanks.by, kAssistant);
  ASSERT_EQ(conversation_.context.turns().size(), 3u);
}

// R59: where nobody is sure, the assistant's confidence in its draft decides.
TEST_F(RoutingTest, ADraftIsKeptOrLeftToTheSpecialist) {
  const std::string request = "Write a Python function that reverses a string.";
  for (const double needed : {0.001, 1.0}) {  // which every draft has, and none
    open([needed](Config& config) {
      config.routing.threshold = 1;
      config.routing.draft_confidence = needed;
    });
    conversation_.reset();
    const Outcome outcome = ask(request);
    const bool is_kept = needed < 1;
    EXPECT_EQ(outcome.fell_back, !is_kept);
    EXPECT_EQ(outcome.by == kAssistant, is_kept);
    ASSERT_EQ(conversation_.context.turns().size(), 1u);
    EXPECT_EQ(conversation_.context.turns()[0].answer, outcome.text);
    RecordProperty(is_kept ? "kept_first_token_ms" : "left_first_token_ms",
                   std::to_string(outcome.timings.first_token_ms));
    if (is_kept) {  // the same answer as without a draft
      open([](Config& config) { config.routing.threshold = 1; });
      conversation_.reset();
      EXPECT_EQ(ask(request).text, outcome.text);
    }
  }
}

// R59: a model that was not made for it is let think, and answers when the budget is spent.
TEST_F(RoutingTest, ASpecialistThinksBeforeItAnswersInSlowMode) {
  open([](Config& config) {
    for (MemberConfig& member : config.specialists) member.thinking_tokens = 24;
  });
  const std::string request = "@reasoning A train takes 3 hours for 240 km. How fast is it?";
  const Outcome slow = ask(request, Mode::kSlow);
  EXPECT_NE(slow.by, kAssistant);
  EXPECT_FALSE(slow.fell_back);
  EXPECT_NE(slow.thought, "");
  EXPECT_NE(slow.text, "");
  EXPECT_LE(slow.timings.decode_tokens, 24u - 1 + 48 - 1);
  ASSERT_EQ(conversation_.context.turns().size(), 1u);
  EXPECT_EQ(conversation_.context.turns()[0].answer, slow.text);
  EXPECT_EQ(slow.text.find(slow.thought), std::string::npos) << slow.thought;
  for (const char* tag : {"<think>", "</think>"}) EXPECT_EQ(slow.thought.find(tag), std::string::npos) << slow.thought;
  EXPECT_EQ(ask(request).thought, "") << "in auto mode it is told not to";
}

TEST_F(RoutingTest, TheAssistantReadsOnlyWhatIsNew) {
  const Outcome first = ask("Hello! How are you today?");
  const Outcome second = ask("Good morning!");
  EXPECT_EQ(second.by, kAssistant);
  // The second prompt holds the first and its answer, and its new part is shorter than these.
  EXPECT_LT(second.timings.prefill_tokens, first.timings.prefill_tokens + first.timings.decode_tokens);
}

TEST_F(RoutingTest, AStopEndsAnAnswerInItsMiddle) {
  std::stop_source stop;
  std::string finish;
  size_t n_tokens = 0;
  const Status status = chat_->team()->coordinator().handle(
      conversation_, "@coding Write a long program.", {},
      [&](const Event& event) {
        if (std::holds_alternative<TokenEvent>(event) && ++n_tokens == 3) stop.request_stop();
        if (const auto* done = std::get_if<DoneEvent>(&event)) finish = to_string(done->finish_reason);
      },
      stop.get_token());
  ASSERT_TRUE(status);
  EXPECT_EQ(finish, "cancelled");
  EXPECT_LE(n_tokens, 4u);
  EXPECT_FALSE(chat_->residency().is_loaded(SpecialistId{1}));
}

}  // namespace
}  // namespace sain::router
