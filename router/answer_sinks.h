// Where a Coordinator lets members write to.
#pragma once

#include <chrono>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/session.h"
#include "router/answer_check.h"
#include "router/deadline.h"
#include "router/events.h"

namespace sain::router {

/// Passes text on as events, and notes when the first came. Holds back what may be the beginning of a refusal.
class TokenForwarder : public engine::TokenSink {
 public:
  TokenForwarder(SpecialistId by, const EventSink& sink, std::chrono::steady_clock::time_point start,
                 RequestTimings& timings, Deadline* deadline)
      : by_(by), sink_(sink), start_(start), timings_(timings), deadline_(deadline) {}

  void on_text(std::string_view text) override {
    if (text.empty()) return;
    if (deadline_ != nullptr) deadline_->meet();
    held_ += text;
    if (by_ == kAssistant || !may_become_refusal(held_)) flush();
  }

  /// What is held after all.
  void flush() {
    if (held_.empty()) return;
    if (timings_.first_token_ms == 0)
      timings_.first_token_ms =
          std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_).count();
    sink_(TokenEvent{by_, std::exchange(held_, {})});
  }

 private:
  SpecialistId by_;
  const EventSink& sink_;
  std::chrono::steady_clock::time_point start_;
  RequestTimings& timings_;
  Deadline* deadline_;
  std::string held_;
};

/// Keeps the log probabilities of the first tokens, and stops then.
class DraftCollector : public engine::TokenSink {
 public:
  DraftCollector(size_t n_tokens, const std::stop_token& caller)
      : n_tokens_(n_tokens), forward_(caller, [this] { stop_.request_stop(); }) {}
  void on_text(std::string_view) override {}
  void on_token(const engine::ChosenToken& token) override {
    if (logprobs.size() < n_tokens_) logprobs.push_back(token.logprob);
    if (logprobs.size() == n_tokens_) stop_.request_stop();
  }
  std::stop_token token() const { return stop_.get_token(); }

  std::vector<double> logprobs;

 private:
  size_t n_tokens_;
  std::stop_source stop_;
  std::stop_callback<std::function<void()>> forward_;
};

/// Text as what the assistant says meanwhile.
class TalkForwarder : public engine::TokenSink {
 public:
  TalkForwarder(SpecialistId about, std::function<void(const StatusEvent&)> tell)
      : about_(about), tell_(std::move(tell)) {}
  void on_text(std::string_view text) override {
    if (!text.empty()) tell_({StatusEvent::Kind::kTalking, about_, 0, std::string(text)});
  }

 private:
  SpecialistId about_;
  std::function<void(const StatusEvent&)> tell_;
};

}  // namespace sain::router
