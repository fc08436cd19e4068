#include "router/draft_gate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace sain::router {

std::string_view to_string(DraftMeasure measure) {
  static constexpr std::array<std::string_view, 3> kNames = {"mean", "least", "share"};
  return kNames[static_cast<size_t>(measure)];
}

double draft_confidence(std::span<const double> logprobs, DraftMeasure measure) {
  if (logprobs.empty()) return 0;
  const auto n = static_cast<double>(logprobs.size());
  switch (measure) {
    case DraftMeasure::kMean:
      return std::exp(std::accumulate(logprobs.begin(), logprobs.end(), 0.0) / n);
    case DraftMeasure::kLeast:
      return std::exp(*std::ranges::min_element(logprobs));
    case DraftMeasure::kShare:
      return static_cast<double>(std::ranges::count_if(logprobs, [](double p) { return p > std::log(0.5); })) / n;
  }
  return 0;
}

DraftGate::DraftGate(double least, engine::TokenSink& next, const std::stop_token& caller)
    : least_(least), next_(next), forward_(caller, [this] { stop_.request_stop(); }) {}

void DraftGate::on_text(std::string_view text) {
  if (state_ == State::kOpen) {
    next_.on_text(text);
  } else {
    held_ += text;
  }
}

void DraftGate::on_token(const engine::ChosenToken& token) {
  if (state_ != State::kUndecided) return;
  logprobs_.push_back(token.logprob);
  if (logprobs_.size() == kTokens) decide();
}

void DraftGate::finish() {
  if (state_ == State::kUndecided && !stop_.stop_requested()) decide();
}

void DraftGate::decide() {
  if (confidence() >= least_) {
    state_ = State::kOpen;
    next_.on_text(held_);
  } else {
    state_ = State::kShut;
    stop_.request_stop();
  }
}

}  // namespace sain::router
