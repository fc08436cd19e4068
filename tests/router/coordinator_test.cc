// A request is never lost: a fault at each step, and the order of what is told.
#include "router/coordinator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <thread>

#include "router/draft_gate.h"
#include "router/protocol/protocol_check.h"
#include "tests/router/fake_models.h"

namespace sain::router {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Config two_members(std::string specialist_model) {
  Config config;
  config.assistant = {.name = "Ada", .model = "/m/assistant"};
  config.assistant.intents = {{"talk", {"hi"}}};
  config.specialists.push_back({.name = "coding", .model = std::move(specialist_model)});
  config.specialists[0].intents = {{"code", {"loop"}}};
  return config;
}

/// And one more, of a file of its own.
Config three_members(std::string specialist_model = "/m/coder") {
  Config config = two_members(std::move(specialist_model));
  config.specialists.push_back({.name = "writing", .model = "/m/writer"});
  config.specialists[1].intents = {{"write", {"story"}}};
  return config;
}

std::vector<std::filesystem::path> files_of(const Config& config) {
  std::vector<std::filesystem::path> files = {config.assistant.model};
  for (const MemberConfig& member : config.specialists) files.emplace_back(member.model);
  return files;
}

constexpr std::chrono::milliseconds kAnswerTimeout{300};  // of the test that needs one which is met

/// A Coordinator over fakes; every step can be made to fail.
struct Rig {
  explicit Rig(const std::string& specialist_model = "/m/coder", uint64_t budget = 1000)
      : Rig(two_members(specialist_model), budget) {}
  explicit Rig(const Config& config, uint64_t budget = 1000, CoordinatorOptions coordinator_options = {},
               KeepLoaded keep_loaded = KeepLoaded::kWhileLeased)
      : registry(config),
        residency(models.source(), files_of(config), {.budget_bytes = budget, .keep_loaded = keep_loaded}),
        coordinator(registry, residency, transitions, with_threshold(coordinator_options), parts()) {}

  static CoordinatorOptions with_threshold(CoordinatorOptions options) {
    options.policy.threshold = 0.6;
    return options;
  }

  CoordinatorParts parts() {
    CoordinatorParts parts;
    parts.classify = [this](std::string_view text) -> Result<Classification> {
      if (!classify_works) return make_error(ErrorCode::kInternal, "no features");
      if (probabilities_of) return Classification{.probabilities = probabilities_of(text)};
      if (!probabilities.empty()) return Classification{.probabilities = probabilities};
      const double p = text.find("code") != std::string_view::npos ? 0.9 : 0.1;
      std::vector<double> all(registry.snapshot().intents.size(), 0.0);
      all[0] = 1 - p;
      all[1] = p;
      return Classification{.probabilities = std::move(all)};
    };
    parts.answer = [this](SpecialistId id, const ModelLease&, Conversation& in, const MemberRequest& request,
                          std::stop_token stop, const EventSink& tell, engine::TokenSink& sink) -> Result<Answer> {
      ContextManager& context = in.context;
      n_turns_seen = context.turns().size();
      const Step& step = id == kAssistant ? assistant : id == SpecialistId{1} ? coder : writer;
      while (step.hangs && !stop.stop_requested()) std::this_thread::yield();
      if (step.thinks) {
        tell(StatusEvent{StatusEvent::Kind::kThinking, id, 0, "Hm."});
        std::this_thread::sleep_for(2 * kAnswerTimeout);
      }
      if (step.summarises) tell(StatusEvent{StatusEvent::Kind::kSummarising, kAssistant, 0, {}});
      std::string text;
      for (const char* piece : step.pieces) {
        if (stop.stop_requested()) return Answer{.text = text, .finish_reason = engine::FinishReason::kCancelled};
        ++n_pieces;
        if (request.top_logprobs) sink.on_token({0, std::log(step.probability), {}});
        sink.on_text(piece);
        text += piece;
        if (step.stop_after_piece) stop_source.request_stop();
      }
      {
        const std::lock_guard lock(mutex);
        last_request = std::string(request.text);
      }
      context.forgets(step.forgets, "some turns are gone");
      if (step.fails) return make_error(ErrorCode::kInternal, "the forward pass broke");
      return Answer{
          .text = text,
          .finish_reason = stop.stop_requested() ? engine::FinishReason::kCancelled : engine::FinishReason::kStop,
          .context = {7, 100}};
    };
    parts.vote = [this](std::string_view, std::span<const SpecialistId> members) -> Result<std::vector<double>> {
      ++n_votes;
      std::vector<double> votes(members.size(), 0.0);
      votes[static_cast<size_t>(std::ranges::find(members, SpecialistId{2}) - members.begin())] = 1;
      return votes;
    };
    parts.talk = [this](SpecialistId, std::string_view, const std::stop_token& stop, engine::TokenSink& sink) {
      while (!stop.stop_requested()) {
        if (n_words_said++ < 3) sink.on_text("well ");
        std::this_thread::yield();
      }
    };
    return parts;
  }

  Status handle(std::string_view request) {
    events.clear();
    ProtocolCheck check(registry.snapshot());
    const auto sink = [&](const Event& event) {
      const Status next = check.check_next(event);
      EXPECT_TRUE(next) << next.error().message;
      record(event);
    };
    Status status = coordinator.handle(conversation, request, options, sink, stop_source.get_token());
    EXPECT_TRUE(check.is_over());
    return status;
  }

  void record(const Event& event) {
    static constexpr const char* kKinds[] = {"route", "plan",     "step",   "status", "handoff",
                                             "token", "fallback", "forget", "done",   "error"};
    std::string line = kKinds[event.index()];
    if (const auto* status = std::get_if<StatusEvent>(&event)) {
      if (status->kind == StatusEvent::Kind::kLoading) return;  // as many as there is time for
      static constexpr const char* kStatusKinds[] = {"acknowledged", "loading", "ready",
                                                     "summarising",  "talking", "thinking"};
      line = kStatusKinds[static_cast<size_t>(status->kind)];
    } else if (const auto* token = std::get_if<TokenEvent>(&event)) {
      line += " " + std::to_string(index(token->by)) + " " + token->text;
    } else if (const auto* done = std::get_if<DoneEvent>(&event)) {
      line += " " + std::to_string(index(done->by)) + " " + std::string(to_string(done->finish_reason));
      timings = done->timings;
      context_use = done->context;
    } else if (const auto* fallback = std::get_if<FallbackEvent>(&event)) {
      fallback_reason = fallback->reason;
    }
    events.push_back(line);
  }

  struct Step {
    std::vector<const char*> pieces;
    bool fails = false;
    bool stop_after_piece = false;
    bool summarises = false;
    bool thinks = false;     // longer than it may take to begin
    bool hangs = false;      // until it is stopped
    double probability = 1;  // of each piece
    Forgetting forgets = Forgetting::kNothing;
  };

  FakeModels models;
  bool classify_works = true;
  Step assistant{{"Hello", " you"}};
  Step coder{{"int", " x;"}};
  Step writer{{"Once"}};
  std::vector<double> probabilities;  // in place of what the text says
  std::function<std::vector<double>(std::string_view)> probabilities_of;
  std::atomic<int> n_words_said = 0, n_votes = 0, n_pieces = 0;
  std::atomic<size_t> n_turns_seen = 0;
  std::mutex mutex;
  std::string last_request, fallback_reason;
  std::vector<std::string> events;
  RequestTimings timings;
  ContextUse context_use;
  std::stop_source stop_source;
  Registry registry;
  Residency residency;
  Transitions transitions;
  Conversation conversation;
  RequestOptions options;
  Coordinator coordinator;
};

TEST(CoordinatorTest, TheAssistantAnswersAtOnce) {
  Rig rig;
  ASSERT_TRUE(rig.handle("good morning"));
  EXPECT_THAT(rig.events, ElementsAre("route", "token 0 Hello", "token 0  you", "done 0 stop"));
  ASSERT_EQ(rig.conversation.context.turns().size(), 1u);
  EXPECT_EQ(rig.conversation.context.turns()[0].answer, "Hello you");
}

TEST(CoordinatorTest, ASpecialistIsAnnouncedLoadedAndUnloaded) {
  Rig rig;
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_THAT(rig.events, ElementsAre("route", "acknowledged", "ready", "token 1 int", "token 1  x;", "done 1 stop"));
  EXPECT_EQ(rig.models.n_loads, 1);
  EXPECT_EQ(rig.models.n_alive, 0);
  EXPECT_EQ(rig.conversation.context.turns()[0].by, SpecialistId{1});
  EXPECT_GT(rig.timings.total_ms, 0);
  EXPECT_GT(rig.timings.first_token_ms, 0);
  EXPECT_LE(rig.timings.first_token_ms, rig.timings.total_ms);
  EXPECT_EQ(rig.coordinator.metrics().n_answers[1], 1u);
}

TEST(CoordinatorTest, SaysHowFullTheContextIs) {
  Rig rig;
  ASSERT_TRUE(rig.handle("hi"));
  EXPECT_EQ(rig.context_use.n_tokens, 7u);
  EXPECT_EQ(rig.context_use.limit, 100u);
}

TEST(CoordinatorTest, ASummaryIsAnnouncedBeforeTheAnswerOfTheAssistantToo) {
  Rig rig;
  rig.assistant.summarises = true;
  ASSERT_TRUE(rig.handle("hi"));
  EXPECT_THAT(rig.events, ElementsAre("route", "summarising", "token 0 Hello", "token 0  you", "done 0 stop"));
}

TEST(CoordinatorTest, ForgettingIsSaidOnceInAConversationAndAgainWhenItGetsWorse) {
  Rig rig;
  ASSERT_TRUE(rig.handle("hi"));
  EXPECT_THAT(rig.events, ElementsAre("route", "token 0 Hello", "token 0  you", "done 0 stop"));
  for (const Forgetting what : {Forgetting::kSummarised, Forgetting::kDropped}) {
    rig.assistant.forgets = what;
    ASSERT_TRUE(rig.handle("hi"));
    EXPECT_THAT(rig.events, ElementsAre("route", "token 0 Hello", "token 0  you", "forget", "done 0 stop"));
    ASSERT_TRUE(rig.handle("hi"));
    EXPECT_THAT(rig.events, ElementsAre("route", "token 0 Hello", "token 0  you", "done 0 stop"));
  }
  rig.conversation.reset();
  ASSERT_TRUE(rig.handle("hi"));
  EXPECT_THAT(rig.events, ElementsAre("route", "token 0 Hello", "token 0  you", "forget", "done 0 stop"));
}

TEST(CoordinatorTest, WhatAFailedSpecialistHasForgottenIsSaidToo) {
  Rig rig;
  rig.coder = {.pieces = {}, .fails = true, .summarises = true, .forgets = Forgetting::kSummarised};
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_THAT(rig.events, ElementsAre("route", "acknowledged", "ready", "summarising", "forget", "fallback",
                                      "token 0 Hello", "token 0  you", "done 0 stop"));
}

TEST(CoordinatorTest, TheNameIsTakenOffTheRequest) {
  Rig rig;
  rig.classify_works = false;  // and nothing is classified
  ASSERT_TRUE(rig.handle("@coding hello"));
  EXPECT_EQ(rig.last_request, "hello");
  EXPECT_EQ(rig.events.back(), "done 1 stop");
  EXPECT_EQ(rig.conversation.context.turns()[0].request, "hello");
}

// R11.
TEST(CoordinatorTest, LaterAnswersSeeEarlierTurns) {
  Rig rig;
  ASSERT_TRUE(rig.handle("hi"));
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_EQ(rig.n_turns_seen, 1u);
  EXPECT_EQ(rig.conversation.context.turns().size(), 2u);
}

TEST(CoordinatorTest, WithoutClassificationTheAssistantAnswers) {
  Rig rig;
  rig.classify_works = false;
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_EQ(rig.events.back(), "done 0 stop");
  EXPECT_THAT(rig.coordinator.route("write code").reason, HasSubstr("routing failed (no features)"));
}

TEST(CoordinatorTest, AFailedLoadFallsBack) {
  for (const char* model : {"/m/missing", "/m/broken", "/m/huge"}) {
    Rig rig(model);
    ASSERT_TRUE(rig.handle("write code")) << model;
    EXPECT_THAT(rig.events,
                ElementsAre("route", "acknowledged", "fallback", "token 0 Hello", "token 0  you", "done 0 stop"));
    EXPECT_EQ(rig.coordinator.metrics().n_load_failures, 1u);
    EXPECT_EQ(rig.coordinator.metrics().n_fallbacks, 1u);
    EXPECT_EQ(rig.conversation.context.turns()[0].answer, "Hello you");
    EXPECT_EQ(rig.conversation.context.turns()[0].by, kAssistant);
  }
}

TEST(CoordinatorTest, TooSmallABudgetFallsBack) {
  Rig rig("/m/coder", 205);
  const auto assistant = rig.residency.acquire(kAssistant, {.is_pinned = true});
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_EQ(rig.events.back(), "done 0 stop");
  EXPECT_THAT(rig.fallback_reason, HasSubstr("budget"));
}

TEST(CoordinatorTest, AFailureInTheAnswerFallsBackAndVoidsItsText) {
  Rig rig;
  rig.coder.fails = true;
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_THAT(rig.events, ElementsAre("route", "acknowledged", "ready", "token 1 int", "token 1  x;", "fallback",
                                      "token 0 Hello", "token 0  you", "done 0 stop"));
  EXPECT_EQ(rig.fallback_reason, "the forward pass broke");
  EXPECT_EQ(rig.conversation.context.turns()[0].answer, "Hello you");
  EXPECT_EQ(rig.models.n_alive, 0) << "the lease of the specialist is back";
}

TEST(CoordinatorTest, AnEmptyAnswerFallsBack) {
  Rig rig;
  rig.coder.pieces = {" ", "\n"};
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_EQ(rig.fallback_reason, "it gave no answer");
  EXPECT_EQ(rig.events.back(), "done 0 stop");
  EXPECT_EQ(rig.coordinator.metrics().n_answer_failures, 1u);
}

TEST(CoordinatorTest, TheSecondBestSpecialistComesBeforeTheAssistant) {
  for (const char* model : {"/m/missing", "/m/coder"}) {
    Rig rig(three_members(model));
    rig.coder.fails = true;
    rig.probabilities = {0.1, 0.7, 0.2};
    ASSERT_TRUE(rig.handle("write code"));
    EXPECT_EQ(rig.events.back(), "done 2 stop");
    EXPECT_EQ(rig.coordinator.metrics().n_fallbacks, 1u);
    rig.writer.fails = true;
    ASSERT_TRUE(rig.handle("write code"));
    EXPECT_EQ(rig.events.back(), "done 0 stop");
    rig.probabilities = {0.2, 0.75, 0.05};
    rig.writer.fails = false;
    ASSERT_TRUE(rig.handle("write code"));
    EXPECT_EQ(rig.events.back(), "done 0 stop") << "whom hardly anything speaks for is no help";
  }
}

TEST(CoordinatorTest, ARefusalIsNotShownAndFallsBack) {
  Rig rig;
  rig.coder.pieces = {"I'm sor", "ry, but I can't", " assist with that."};
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_THAT(rig.events, ElementsAre("route", "acknowledged", "ready", "fallback", "token 0 Hello", "token 0  you",
                                      "done 0 stop"));
  EXPECT_EQ(rig.fallback_reason, "it refused to answer");
  rig.coder.pieces = {"I'm sor", "ted by name."};
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_THAT(rig.events, ElementsAre("route", "acknowledged", "ready", "token 1 I'm sorted by name.", "done 1 stop"));
}

TEST(CoordinatorTest, ASpecialistThatDoesNotBeginFallsBack) {
  Rig rig(two_members("/m/coder"), 1000, {.answer_timeout = std::chrono::milliseconds(5)});
  rig.coder.hangs = true;
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_EQ(rig.events.back(), "done 0 stop");
  EXPECT_THAT(rig.fallback_reason, HasSubstr("had not begun after 0.005 s"));
}

TEST(CoordinatorTest, ASpecialistThatThinksHasBegun) {
  Rig rig(two_members("/m/coder"), 1000, {.answer_timeout = kAnswerTimeout});
  rig.coder.thinks = true;
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_THAT(rig.events,
              ElementsAre("route", "acknowledged", "ready", "thinking", "token 1 int", "token 1  x;", "done 1 stop"));
  EXPECT_EQ(rig.conversation.context.turns()[0].answer, "int x;");
}

TEST(CoordinatorTest, ALoadThatTakesTooLongFallsBack) {
  Rig rig(two_members("/m/coder"), 1000, {.load_timeout = std::chrono::milliseconds(5)});
  rig.models.waits_for_stop_of = "/m/coder";
  const auto assistant = rig.residency.acquire(kAssistant, {.is_pinned = true});  // in memory, as it always is
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_EQ(rig.events.back(), "done 0 stop");
  EXPECT_THAT(rig.fallback_reason, HasSubstr("was not in memory after 0.005 s"));
}

TEST(CoordinatorTest, TheAssistantTalksWhileASpecialistIsLoaded) {
  Rig rig(two_members("/m/coder"), 1000, {.talk_after = std::chrono::milliseconds(2)});
  rig.models.load_time = std::chrono::milliseconds(60);
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_GT(rig.n_words_said, 0);
  EXPECT_THAT(rig.events, ElementsAre("route", "acknowledged", "talking", "talking", "talking", "ready", "token 1 int",
                                      "token 1  x;", "done 1 stop"));
  rig.n_words_said = 0;
  const auto lease = rig.residency.acquire(SpecialistId{1});
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_EQ(rig.n_words_said, 0) << "there is nothing to wait for";
}

TEST(CoordinatorTest, AStopWhileTheAssistantTalksEndsTheRequest) {
  Rig rig(two_members("/m/coder"), 1000, {.talk_after = std::chrono::milliseconds(1)});
  rig.models.waits_for_stop_of = "/m/coder";
  std::jthread stopper([&] {
    while (rig.n_words_said == 0) std::this_thread::yield();
    rig.stop_source.request_stop();
  });
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_EQ(rig.events.back(), "done 1 cancelled");
}

TEST(CoordinatorTest, TheModeDecides) {
  Rig rig(three_members());
  rig.options.mode = Mode::kFast;
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_EQ(rig.events.back(), "done 0 stop");
  rig.options.mode = Mode::kSlow;
  rig.probabilities = {0.9, 0.04, 0.06};
  ASSERT_TRUE(rig.handle("hello"));
  EXPECT_EQ(rig.events.back(), "done 2 stop");
}

TEST(CoordinatorTest, AConversationDoesNotFlap) {
  Rig rig(three_members(), 1000, {.policy = {.stickiness = 3}});
  rig.probabilities = {0.1, 0.8, 0.1};
  ASSERT_TRUE(rig.handle("write code"));
  rig.probabilities = {0.1, 0.4, 0.5};
  ASSERT_TRUE(rig.handle("now as a table with a heading, please, and sorted by the second column"));
  EXPECT_EQ(rig.events.back(), "done 1 stop") << "0.4 x 3 is more than 0.5";
  rig.probabilities = {0.1, 0.1, 0.8};
  ASSERT_TRUE(rig.handle("a story"));
  EXPECT_EQ(rig.events.back(), "done 2 stop");
}

TEST(CoordinatorTest, WhatSaysLittleIsUnderstoodByTheRequestBefore) {
  Rig rig(three_members());
  rig.probabilities_of = [](std::string_view text) {
    if (text == "and in Rust?") return std::vector<double>{0.6, 0.2, 0.2};
    return text.starts_with("Sort a list") ? std::vector<double>{0, 1, 0} : std::vector<double>{1, 0, 0};
  };
  ASSERT_TRUE(rig.handle("and in Rust?"));
  EXPECT_EQ(rig.events.back(), "done 0 stop") << "there was nothing before";
  ASSERT_TRUE(rig.handle("Sort a list in Java"));
  ASSERT_TRUE(rig.handle("and in Rust?"));
  EXPECT_EQ(rig.events.back(), "done 1 stop");
  ASSERT_TRUE(rig.handle("Thank you"));
  EXPECT_EQ(rig.events.back(), "done 0 stop") << "that is sure enough alone";
}

TEST(CoordinatorTest, WhereNobodyIsSureTheAssistantVotes) {
  Rig rig(three_members(), 1000, {.vote_weight = 0.5});
  rig.probabilities = {0.1, 0.5, 0.4};
  ASSERT_TRUE(rig.handle("who knows"));
  EXPECT_EQ(rig.events.back(), "done 2 stop") << "it votes for the writer: 0.5 x 0.4 + 0.5 x 1";
  EXPECT_EQ(rig.n_votes, 1);
  rig.conversation.reset();
  rig.probabilities = {0.1, 0.8, 0.1};
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_EQ(rig.events.back(), "done 1 stop");
  EXPECT_EQ(rig.n_votes, 1) << "it is not asked where somebody is sure";
}

/// Of a request for which coding is the most probable, and not enough.
struct DraftRig : Rig {
  explicit DraftRig(const std::string& specialist_model = "/m/coder")
      : Rig(two_members(specialist_model), 1000, {.draft_confidence = 0.5}) {
    probabilities = {0.45, 0.55};
  }
};

// R59: what the assistant is sure of it keeps.
TEST(CoordinatorTest, ADraftThatTheAssistantIsSureOfIsKept) {
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
TEST(CoordinatorTest, ADraftThatTheAssistantIsNotSureOfIsLeftToTheSpecialist) {
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

TEST(CoordinatorTest, ADraftThatFailsOrIsEmptyIsLeftToTheSpecialist) {
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
TEST(CoordinatorTest, WhenTheSpecialistOfADraftFailsTheAssistantAnswersAllTheSame) {
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

TEST(CoordinatorTest, AStopInADraftLeavesNothing) {
  DraftRig rig;
  rig.assistant.stop_after_piece = true;
  ASSERT_TRUE(rig.handle("who knows"));
  EXPECT_THAT(rig.events, ElementsAre("route", "done 0 cancelled"));
  EXPECT_TRUE(rig.conversation.context.turns().empty()) << "nobody has seen it";
  EXPECT_EQ(rig.coordinator.metrics().n_cancelled, 1u);
  EXPECT_EQ(rig.coordinator.metrics().n_fallbacks, 0u);
}

TEST(CoordinatorTest, OnlyWhereNobodyIsSureIsThereADraft) {
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

TEST(CoordinatorTest, GivesTheLogProbabilitiesOfADraft) {
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

TEST(CoordinatorTest, WhoeverIsLikelyToBeNextIsLoadedAhead) {
  Rig rig(three_members(), 1000, {.prefetch = true}, KeepLoaded::kUntilNeeded);
  for (int i = 0; i < 5; ++i) rig.transitions.record({}, "writing");
  ASSERT_TRUE(rig.handle("hello"));
  while (!rig.residency.is_loaded(SpecialistId{2})) std::this_thread::yield();
  EXPECT_FALSE(rig.residency.is_loaded(SpecialistId{1}));
}

// R46, R65: a request of two steps is a plan, whose second step sees what the first gave.
TEST(CoordinatorTest, ARequestOfSeveralStepsIsAPlan) {
  Rig rig(three_members(), 1000, {.synthesis = true});
  rig.probabilities_of = [](std::string_view text) {
    return text.starts_with("Write") ? std::vector<double>{0, 0.9, 0.1} : std::vector<double>{0, 0.1, 0.9};
  };
  ASSERT_TRUE(rig.handle("Write a loop over a list, then describe it in a story."));
  EXPECT_THAT(rig.events, ElementsAre("route", "plan", "step", "acknowledged", "ready", "token 1 int", "token 1  x;",
                                      "step", "acknowledged", "ready", "token 2 Once", "step", "token 0 Hello",
                                      "token 0  you", "done 2 stop"));
  const auto& turns = rig.conversation.context.turns();
  ASSERT_EQ(turns.size(), 2u);
  EXPECT_EQ(turns[0].request, "Write a loop over a list");
  EXPECT_EQ(turns[1].request, "describe it in a story.");
  EXPECT_EQ(turns[1].by, SpecialistId{2});
}

TEST(CoordinatorTest, StepsOfOneMemberAreNoPlan) {
  Rig rig(three_members());
  rig.probabilities = {0, 0.9, 0.1};
  ASSERT_TRUE(rig.handle("Write a loop over a list, then describe it in a story."));
  EXPECT_EQ(rig.events[1], "acknowledged");
  EXPECT_EQ(rig.last_request, "Write a loop over a list, then describe it in a story.");
  rig.options.mode = Mode::kFast;
  ASSERT_TRUE(rig.handle("Write a loop over a list, then describe it in a story."));
  EXPECT_EQ(rig.events.back(), "done 0 stop");
}

TEST(CoordinatorTest, AStepThatFailsFallsBackAndTheNextGoesOn) {
  Rig rig(three_members("/m/broken"));
  rig.probabilities_of = [](std::string_view text) {
    return text.starts_with("Write") ? std::vector<double>{0, 0.95, 0.05} : std::vector<double>{0, 0.1, 0.9};
  };
  ASSERT_TRUE(rig.handle("Write a loop over a list, then describe it in a story."));
  EXPECT_EQ(rig.conversation.context.turns()[0].by, kAssistant);
  EXPECT_EQ(rig.conversation.context.turns()[1].by, SpecialistId{2});
  EXPECT_EQ(rig.events.back(), "done 2 stop");
}

// R36: several conversations at once, with specialists that do not fit together.
TEST(CoordinatorTest, ConversationsShareWhatThereIs) {
  Rig rig(three_members(), 160);
  std::vector<std::jthread> threads;
  std::atomic<int> n_answers = 0;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      Conversation conversation;
      for (int i = 0; i < 25; ++i) {
        const std::string request = (i + t) % 2 == 0 ? "@coding loop" : "@writing story";
        ProtocolCheck check(rig.registry.snapshot());
        const Status status = rig.coordinator.handle(conversation, request, {}, [&](const Event& event) {
          EXPECT_TRUE(check.check_next(event));
          const auto* done = std::get_if<DoneEvent>(&event);
          n_answers += done != nullptr && done->by != kAssistant;
        });
        EXPECT_TRUE(status);
      }
      EXPECT_EQ(conversation.context.turns().size(), 25u);
    });
  threads.clear();
  EXPECT_EQ(n_answers, 100) << "every request by its specialist";
  EXPECT_EQ(rig.coordinator.metrics().n_requests, 100u);
}

TEST(CoordinatorTest, WhenTheAssistantFailsTooThereIsAnError) {
  Rig rig;
  rig.assistant.fails = rig.coder.fails = true;
  const Status status = rig.handle("write code");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "the forward pass broke");
  EXPECT_EQ(rig.events.back(), "error");
  EXPECT_TRUE(rig.conversation.context.turns().empty());
  EXPECT_EQ(rig.coordinator.metrics().n_errors, 1u);
}

TEST(CoordinatorTest, AnEmptyAnswerOfTheAssistantIsSaidInWords) {
  Rig rig;
  rig.assistant.pieces = {};
  ASSERT_TRUE(rig.handle("hi"));
  ASSERT_EQ(rig.events.size(), 3u);
  EXPECT_THAT(rig.events[1], HasSubstr("no answer"));
}

TEST(CoordinatorTest, AStopKeepsWhatWasSaidAndDoesNotFallBack) {
  Rig rig;
  rig.coder.stop_after_piece = true;
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_THAT(rig.events, ElementsAre("route", "acknowledged", "ready", "token 1 int", "done 1 cancelled"));
  EXPECT_EQ(rig.conversation.context.turns()[0].answer, "int");
  EXPECT_EQ(rig.coordinator.metrics().n_cancelled, 1u);
  EXPECT_EQ(rig.coordinator.metrics().n_fallbacks, 0u);
}

TEST(CoordinatorTest, AStopBeforeTheLoadEndsTheRequest) {
  Rig rig;
  rig.stop_source.request_stop();
  ASSERT_TRUE(rig.handle("write code"));
  EXPECT_EQ(rig.events.back(), "done 1 cancelled");
  ASSERT_TRUE(rig.handle("hello"));
  EXPECT_EQ(rig.events.back(), "done 0 cancelled");
  EXPECT_TRUE(rig.conversation.context.turns().empty());
  EXPECT_EQ(rig.coordinator.metrics().n_load_failures, 0u);
}

}  // namespace
}  // namespace sain::router
