// A conversation goes on past the context, on a model that runs, as each policy says.
#include "router/model_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "router/summary.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_adapter.h"
#include "tests/support/tiny_model.h"

namespace sain::router {
namespace {

using ::testing::HasSubstr;
using testing::TinyModel;

constexpr SpecialistId kSpecialist{1};
constexpr uint32_t kContext = 512, kMaxTokens = 60;

class TextSink : public engine::TokenSink {
 public:
  void on_text(std::string_view piece) override { text += piece; }
  std::string text;
};

class ModelRunnerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    TinyModel tiny;
    // Answers of full length whose text gives the same tokens again: never the control tokens, "th" and "the", nor "h",
    // which "t" would join. A logit of 0 is not the greatest of 96.
    for (const size_t token : {0, 1, 72, 94, 95})
      for (size_t i = 0; i < TinyModel::kModel; ++i) tiny.at("output.weight", token * TinyModel::kModel + i) = 0;
    load(tiny);
  }

  void load(TinyModel tiny) {
    tiny.set("context_length", kContext);
    tiny.metadata.set(
        "tokenizer.chat_template",
        "{% for m in messages %}<|start|>{{ m.role }} {{ m.content }}<|end|>{% endfor %}<|start|>assistant ");
    auto loaded = engine::Model::load({.path = tiny.write(folder_ / "tiny.gguf")});
    ASSERT_TRUE(loaded) << loaded.error().message;
    model_ = std::make_unique<engine::Model>(*std::move(loaded));
  }

  static Registry registry() {
    Config config;
    config.assistant = {.name = "Ada", .model = "tiny.gguf", .system_prompt = "Be kind.", .max_tokens = kMaxTokens};
    config.specialists.push_back({.name = "twin", .model = "tiny.gguf", .max_tokens = kMaxTokens});
    config.specialists.push_back(
        {.name = "thinker", .model = "tiny.gguf", .max_tokens = kMaxTokens, .thinking_tokens = 20});
    return Registry(config);
  }

  ModelRunner runner(ConversationPolicy policy, std::shared_ptr<engine::PrefixStore> prefixes = nullptr) {
    const engine::SessionOptions options = {
        .context_length = kContext, .precision = engine::Precision::kExact, .prefixes = std::move(prefixes)};
    return {registry_, pool_, *model_, options, policy};
  }

  /// What a Coordinator does with an answer.
  Result<Answer> ask(ModelRunner& runner, Conversation& conversation, const std::string& request,
                     SpecialistId id = kAssistant, std::stop_token stop = {}, Mode mode = Mode::kAuto) {
    TextSink sink;
    thought_.clear();
    const EventSink events = [&](const Event& event) {
      if (const auto* handoff = std::get_if<HandoffEvent>(&event)) {
        handoff_ = *handoff;
        return;
      }
      const auto& status = std::get<StatusEvent>(event);
      if (status.kind == StatusEvent::Kind::kThinking) {
        EXPECT_EQ(status.member, id);
        EXPECT_EQ(sink.text, "") << "the answer has begun";
        thought_ += status.text;
        return;
      }
      EXPECT_EQ(status.kind, StatusEvent::Kind::kSummarising);
      ++n_summaries_;
    };
    auto answer = runner.answer(id, *model_, conversation, {request, mode}, std::move(stop), events, sink);
    if (answer) {
      EXPECT_EQ(answer->text, sink.text);
      EXPECT_EQ(answer->context.limit, kContext);
      EXPECT_LE(answer->context.n_tokens, kContext);
      EXPECT_EQ(handoff_.to, id);
      const size_t n_read = handoff_.n_tokens - handoff_.n_known;
      EXPECT_TRUE(thought_.empty() ? answer->timings.prefill_tokens == n_read
                                   : answer->timings.prefill_tokens > n_read);
      conversation.context.record({request, answer->text, id});
    }
    return answer;
  }

  testing::TemporaryFolder folder_;
  std::unique_ptr<engine::Model> model_;
  engine::ThreadPool pool_{1};
  Registry registry_ = registry();
  size_t n_summaries_ = 0;  // that were begun
  HandoffEvent handoff_;    // the last one
  std::string thought_;     // of the last answer
};

/// What a program that has just been started finds.
std::shared_ptr<engine::PrefixStore> store_in(const std::filesystem::path& folder) {
  engine::PrefixStoreOptions options;
  options.directory = folder;
  options.warn = [](const std::string& message) { ADD_FAILURE() << message; };
  return std::make_shared<engine::PrefixStore>(options);
}

std::string request_number(int i) {
  return "This is request number " + std::to_string(i);
}

// R11, R16: what was said is read by the next one, and what was read before is not computed again.
TEST_F(ModelRunnerTest, AVoteIsAProbability) {
  ModelRunner runner = this->runner(ConversationPolicy::kStop);
  const double vote = runner.name_vote("Anna lives here.", "Anna");
  EXPECT_GE(vote, 0);
  EXPECT_LE(vote, 1);
  const auto votes = runner.vote("Hi.", std::vector{kAssistant, kSpecialist}, {});
  ASSERT_TRUE(votes);
  EXPECT_NEAR((*votes)[0] + (*votes)[1], 1, 1e-12);
}

// R68: on one model, in memory once.
TEST_F(ModelRunnerTest, MembersDifferByTheirAdapters) {
  testing::TinyAdapter adapter;
  adapter.add_layers(TinyModel(), 3);
  const std::string file = adapter.write(folder_ / "adapter.gguf").string();
  Config config;
  config.assistant = {.name = "Ada", .model = "tiny.gguf", .max_tokens = kMaxTokens};
  for (const char* name : {"plain", "adapted", "scaled", "broken"})
    config.specialists.push_back({.name = name, .model = "tiny.gguf", .max_tokens = kMaxTokens});
  config.specialists[1].adapter = config.specialists[2].adapter = file;
  config.specialists[2].adapter_scale = 0;
  config.specialists[3].adapter = (folder_ / "none.gguf").string();
  registry_ = Registry(config);
  ModelRunner runner = this->runner(ConversationPolicy::kStop, store_in(folder_ / "prefixes"));
  const auto answer = [&](uint32_t id) {
    Conversation conversation;
    return ask(runner, conversation, "Hi.", SpecialistId{id});
  };
  EXPECT_EQ(runner.adapter_bytes(), 0u);
  for (int i = 0; i < 2; ++i) {  // the second time from what is known
    const auto plain = answer(1), adapted = answer(2), scaled = answer(3), broken = answer(4);
    ASSERT_TRUE(plain && adapted && scaled);
    EXPECT_NE(adapted->text, plain->text);
    EXPECT_EQ(scaled->text, plain->text);
    ASSERT_FALSE(broken);
    EXPECT_THAT(broken.error().message, ::testing::HasSubstr("none.gguf"));
  }
  EXPECT_GT(runner.adapter_bytes(), 0u);
}

TEST_F(ModelRunnerTest, EverybodyStartsFromWhatIsKnown) {
  ModelRunner plain = runner(ConversationPolicy::kStop);
  Conversation plain_conversation;
  for (const SpecialistId id : {kAssistant, kSpecialist}) {
    SCOPED_TRACE(index(id));
    plain_conversation.reset();
    const auto expected = ask(plain, plain_conversation, "Hi.", id),
               expected_next = ask(plain, plain_conversation, "And?", id);
    ASSERT_TRUE(expected && expected_next);
    uint32_t n_read[3] = {};
    for (const int start : {0, 1, 2}) {  // of the program
      ModelRunner runner = this->runner(ConversationPolicy::kStop, store_in(folder_ / "prefixes"));
      Conversation conversation;
      const auto answer = ask(runner, conversation, "Hi.", id);
      ASSERT_TRUE(answer) << answer.error().message;
      EXPECT_EQ(answer->text, expected->text);
      n_read[start] = answer->timings.prefill_tokens;
      const auto next = ask(runner, conversation, "And?", id);  // what was said is known, too
      ASSERT_TRUE(next);
      EXPECT_EQ(next->text, expected_next->text);
      const uint32_t most = expected_next->timings.prefill_tokens;  // of the assistant's session: the same
      EXPECT_LE(next->timings.prefill_tokens, id == kAssistant ? most : most / 2);
    }
    EXPECT_LT(n_read[0], expected->timings.prefill_tokens);  // the beginning was a part of its own
    EXPECT_EQ(n_read[1], n_read[0]);
    EXPECT_EQ(n_read[2], n_read[0]);
  }
}

// R59: in slow mode, apart from the answer, and within its budget.
TEST_F(ModelRunnerTest, ThinksInSlowModeOnly) {
  constexpr SpecialistId kThinker{2};
  ModelRunner runner = this->runner(ConversationPolicy::kStop, store_in({}));
  Conversation conversation;
  const auto plain = ask(runner, conversation, "Hi.", kThinker);
  ASSERT_TRUE(plain) << plain.error().message;
  EXPECT_EQ(thought_, "");
  EXPECT_EQ(plain->timings.decode_tokens, kMaxTokens - 1);
  conversation.reset();
  const auto slow = ask(runner, conversation, "Hi.", kThinker, {}, Mode::kSlow);
  ASSERT_TRUE(slow) << slow.error().message;
  EXPECT_EQ(thought_.size(), 20u) << "a character a token";
  EXPECT_EQ(slow->timings.decode_tokens, 20u - 1 + kMaxTokens - 1);
  EXPECT_EQ(slow->text.size(), kMaxTokens);
  const auto next = ask(runner, conversation, "And?", kThinker);
  ASSERT_TRUE(next);
  EXPECT_EQ(thought_, "");
  EXPECT_LT(handoff_.n_tokens, 2 * kMaxTokens + 60) << "the thought is no part of what was said";
  ASSERT_TRUE(ask(runner, conversation, "Hi.", kSpecialist, {}, Mode::kSlow));
  EXPECT_EQ(thought_, "") << "its template knows nothing of it, and nobody has asked for it";
}

TEST_F(ModelRunnerTest, PreparesTheBeginningOfPrompts) {
  const auto files = [this] {
    size_t n = 0;
    for ([[maybe_unused]] const auto& file : std::filesystem::directory_iterator(folder_ / "prefixes")) ++n;
    return n;
  };
  for (int start = 0; start < 2; ++start) {
    ModelRunner prepared = runner(ConversationPolicy::kStop, store_in(folder_ / "prefixes"));
    ASSERT_TRUE(prepared.prepare(kAssistant, *model_, {}));
    EXPECT_EQ(files(), 1u);  // "Be kind."; with no system prompt there is too little to keep
  }
}

TEST_F(ModelRunnerTest, ForgetsAConversation) {
  const auto prefixes = store_in({});
  ModelRunner forgetful = runner(ConversationPolicy::kStop, prefixes);
  Conversation conversation;
  ASSERT_TRUE(ask(forgetful, conversation, "Hi.", kSpecialist));
  EXPECT_GT(prefixes->memory_bytes(), 0u);
  forgetful.forget();
  EXPECT_EQ(prefixes->memory_bytes(), 0u);
}

TEST_F(ModelRunnerTest, CompactGoesOnBehindASummary) {
  ModelRunner runner = this->runner(ConversationPolicy::kCompact);
  Conversation conversation;
  ContextManager& context = conversation.context;
  for (int i = 0; i < 12; ++i) {
    const auto answer = ask(runner, conversation, request_number(i), i % 3 == 2 ? kSpecialist : kAssistant);
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->n_dropped_turns, 0u) << i << ": " << context.forgetting_text();
    const Turn& oldest = context.turns().front();
    EXPECT_EQ(oldest.request == kSummaryRequest, n_summaries_ > 0);
    EXPECT_TRUE(n_summaries_ == 0 || oldest.answer.size() <= 3 * kContext / 8) << "no token of this model is longer";
  }
  EXPECT_EQ(context.forgetting(), Forgetting::kSummarised);
  EXPECT_GE(n_summaries_, 2u);
  EXPECT_LT(n_summaries_, 8u) << "one lasts for several requests";
}

TEST_F(ModelRunnerTest, ARequestSaysHowItIsAnswered) {
  ModelRunner runner = this->runner(ConversationPolicy::kStop);
  const auto answer = [&](const AnswerOptions& options) {
    Conversation conversation;
    TextSink sink;
    auto result = runner.answer(
        kAssistant, *model_, conversation, {.text = "abc", .answer = options}, {},
        [this](const Event& event) { handoff_ = std::get<HandoffEvent>(event); }, sink);
    EXPECT_TRUE(result) << result.error().message;
    return result ? *std::move(result) : Answer();
  };
  const Answer own = answer({});
  const size_t n_read = handoff_.n_tokens;
  EXPECT_EQ(own.n_tokens, kMaxTokens);
  EXPECT_EQ(*runner.count_tokens(kAssistant, *model_, {}, {.text = "abc"}), n_read);

  std::string told;
  const Answer shorter =
      answer({.system_prompt = "Now.", .max_tokens = 3, .top_logprobs = 2, .on_token = [&](const AnsweredToken& token) {
                told += token.text;
                EXPECT_EQ(token.top.size(), 2u);
                EXPECT_LE(token.logprob, token.top[0].logprob);
              }});
  EXPECT_EQ(shorter.n_tokens, 3u);
  EXPECT_EQ(shorter.finish_reason, engine::FinishReason::kLength);
  EXPECT_EQ(told, shorter.text);
  EXPECT_GT(handoff_.n_tokens, n_read);
  EXPECT_EQ(*runner.count_tokens(kAssistant, *model_, {}, {.text = "abc", .answer = {.system_prompt = "Now."}}),
            handoff_.n_tokens);

  answer({.is_raw = true, .max_tokens = 1});
  EXPECT_LE(handoff_.n_tokens, 1 + std::string_view("abc").size()) << "no template";
}

TEST_F(ModelRunnerTest, StopRefusesAndLosesNothing) {
  ModelRunner runner = this->runner(ConversationPolicy::kStop);
  Conversation conversation;
  ContextManager& context = conversation.context;
  for (int i = 0; i < 12; ++i) {
    const auto answer = ask(runner, conversation, request_number(i));
    if (answer) continue;
    EXPECT_GE(i, 3);
    EXPECT_EQ(answer.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(answer.error().message,
                HasSubstr("there is room for 452 (context_length 512, less 60 for the answer)"));
    EXPECT_EQ(context.turns().size(), static_cast<size_t>(i));
    EXPECT_EQ(context.turns()[0].request, request_number(0));
    EXPECT_EQ(context.forgetting(), Forgetting::kNothing);
    return;
  }
  FAIL() << "twelve turns fitted into the context";
}

TEST_F(ModelRunnerTest, AStreamReadsOnlyWhatIsNew) {
  ModelRunner runner = this->runner(ConversationPolicy::kStream);
  Conversation conversation;
  ContextManager& context = conversation.context;
  for (int i = 0; i < 12; ++i) {
    const auto answer = ask(runner, conversation, request_number(i));
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_LE(answer->timings.prefill_tokens, 80u) << i;
  }
  EXPECT_EQ(context.turns().size(), 12u);
  EXPECT_EQ(context.forgetting(), Forgetting::kStreamed);
  EXPECT_THAT(context.forgetting_text(), HasSubstr("first 4 tokens and the newest 508"));

  conversation.reset();
  const auto answer = ask(runner, conversation, request_number(0));
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_LT(answer->context.n_tokens, 150u) << "it begins anew";
  EXPECT_EQ(context.forgetting(), Forgetting::kNothing);
}

TEST_F(ModelRunnerTest, AStreamThatBeginsAnewTakesWhatFits) {
  ModelRunner runner = this->runner(ConversationPolicy::kStream);
  Conversation conversation;
  ContextManager& context = conversation.context;
  for (int i = 0; i < 12; ++i) context.record({request_number(i), "Fine.", kAssistant});
  const auto anew = ask(runner, conversation, "And now?");
  ASSERT_TRUE(anew) << anew.error().message;
  EXPECT_GT(anew->n_dropped_turns, 0u);
  EXPECT_EQ(context.forgetting(), Forgetting::kStreamed);
  EXPECT_EQ(context.turns().size(), 13 - anew->n_dropped_turns) << "those that were left out are gone for good";

  const auto aside = ask(runner, conversation, "And you?", kSpecialist);
  ASSERT_TRUE(aside) << aside.error().message;
  EXPECT_GT(aside->n_dropped_turns, 0u);

  const auto next = ask(runner, conversation, "And now?");
  ASSERT_TRUE(next) << next.error().message;
  EXPECT_LE(next->timings.prefill_tokens, 200u) << "the session goes on, with the specialist's turn";
  EXPECT_EQ(next->n_dropped_turns, 0u);
}

TEST_F(ModelRunnerTest, AStopWhileSummarisingKeepsTheConversation) {
  ModelRunner runner = this->runner(ConversationPolicy::kCompact);
  Conversation conversation;
  ContextManager& context = conversation.context;
  for (int i = 0; i < 12; ++i) context.record({request_number(i), "Fine.", kAssistant});
  std::stop_source stop;
  stop.request_stop();
  const auto answer = ask(runner, conversation, "And now?", kAssistant, stop.get_token());
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->finish_reason, engine::FinishReason::kCancelled);
  EXPECT_EQ(context.forgetting(), Forgetting::kDropped);
  EXPECT_EQ(context.turns()[0].request, request_number(0));
}

TEST_F(ModelRunnerTest, SettlingSparesTheNextAnswerTheSummary) {
  ModelRunner runner = this->runner(ConversationPolicy::kCompact, store_in({}));
  Conversation conversation;
  ContextManager& context = conversation.context;
  size_t n_settled = 0;
  for (int i = 0; i < 12; ++i) {
    const auto answer = ask(runner, conversation, request_number(i));
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->n_dropped_turns, 0u);
    EXPECT_LE(answer->timings.prefill_tokens, 80u) << i << ": the rest was known, the summary too";
    std::stop_source stopped;
    stopped.request_stop();
    const size_t n_turns = context.turns().size();
    runner.settle(conversation, stopped.get_token());
    EXPECT_EQ(context.turns().size(), n_turns) << "a stop leaves it as it was";
    runner.settle(conversation, {});
    n_settled += context.turns().size() < n_turns;
  }
  EXPECT_EQ(n_summaries_, 0u);
  EXPECT_GE(n_settled, 2u);
  EXPECT_EQ(context.turns().front().request, kSummaryRequest);
  EXPECT_EQ(context.forgetting(), Forgetting::kSummarised);

  ModelRunner other = this->runner(ConversationPolicy::kStop);
  const size_t n_turns = context.turns().size();
  other.settle(conversation, {});
  EXPECT_EQ(context.turns().size(), n_turns);
}

TEST_F(ModelRunnerTest, ASummaryIsShortHoweverLongTheTurns) {
  auto session = engine::Session::create(*model_, pool_, {.context_length = kContext});
  ASSERT_TRUE(session) << session.error().message;
  for (const size_t n_turns : {1u, 3u, 5u}) {
    const std::vector<Turn> turns(n_turns, {std::string(5000, 'a'), std::string(300, 'b'), kAssistant});
    const auto summary = summarise(*session, turns, 0, engine::TurnPriority::kInteractive, {});
    ASSERT_TRUE(summary) << summary.error().message;
    EXPECT_LE(session->n_tokens(), kContext);
  }
  const std::vector<Turn> too_many(500, {"yes", "no", kAssistant});
  const auto refused = summarise(*session, too_many, 0, engine::TurnPriority::kInteractive, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kResourceExhausted);
}

TEST_F(ModelRunnerTest, AnEmptySummaryIsAnError) {
  TinyModel tiny;
  tiny.put("output.weight", {TinyModel::kModel, TinyModel::kVocab},
           std::vector<float>(size_t{TinyModel::kModel} * TinyModel::kVocab));  // token 0 always, which has no text
  load(tiny);
  auto session = engine::Session::create(*model_, pool_, {.context_length = kContext});
  ASSERT_TRUE(session) << session.error().message;
  const std::vector<Turn> turns = {{"Hello", "Hello!", kAssistant}};
  const auto summary = summarise(*session, turns, 0, engine::TurnPriority::kInteractive, {});
  ASSERT_FALSE(summary);
  EXPECT_THAT(summary.error().message, HasSubstr("wrote nothing"));
}

}  // namespace
}  // namespace sain::router
