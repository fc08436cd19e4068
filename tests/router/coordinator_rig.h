// A Coordinator over fakes, for tests of what it does with a request.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "router/coordinator.h"
#include "router/protocol/protocol_check.h"
#include "tests/router/fake_models.h"

namespace sain::router {

inline Config two_members(std::string specialist_model) {
  Config config;
  config.assistant = {.name = "Ada", .model = "/m/assistant"};
  config.assistant.intents = {{"talk", {"hi"}}};
  config.specialists.push_back({.name = "coding", .model = std::move(specialist_model)});
  config.specialists[0].intents = {{"code", {"loop"}}};
  return config;
}

/// And one more, of a file of its own.
inline Config three_members(std::string specialist_model = "/m/coder") {
  Config config = two_members(std::move(specialist_model));
  config.specialists.push_back({.name = "writing", .model = "/m/writer"});
  config.specialists[1].intents = {{"write", {"story"}}};
  return config;
}

inline std::vector<std::filesystem::path> files_of(const Config& config) {
  std::vector<std::filesystem::path> files = {config.assistant.model};
  for (const MemberConfig& member : config.specialists) files.emplace_back(member.model);
  return files;
}

inline constexpr std::chrono::milliseconds kAnswerTimeout{300};  // of the test that needs one which is met

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

}  // namespace sain::router
