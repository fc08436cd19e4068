// Whether the assistant may give the answer that it has begun.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "engine/session.h"

namespace sain::router {

/// How sure a model is of a text, from the natural-log probabilities of its tokens; 0 to 1, and 0 of no tokens at all.
enum class DraftMeasure {
  kMean,   // the geometric mean of the probabilities, which is 1 / perplexity
  kLeast,  // the least of them
  kShare,  // the share of tokens that are more likely than not
};
std::string_view to_string(DraftMeasure measure);  // "mean", "least", "share"
double draft_confidence(std::span<const double> logprobs, DraftMeasure measure = DraftMeasure::kMean);

/// Holds an answer back until its first tokens, or all where there are fewer, say how sure the model is of it: then it
/// is passed on as it grows, or stopped and dropped. The answer must come with log probabilities. It refers to `next`.
class DraftGate : public engine::TokenSink {
 public:
  /// That decide. A 135M needs 80 ms for them on two cores, and 230 ms beside four compilers; more tell no better
  /// (`sain route eval --drafts`).
  static constexpr size_t kTokens = 16;

  /// `least`: the confidence that it takes. A stop of `caller` stops the draft too.
  DraftGate(double least, engine::TokenSink& next, const std::stop_token& caller);

  void on_text(std::string_view text) override;
  void on_token(const engine::ChosenToken& token) override;

  /// The answer is complete: a short one is decided on now.
  void finish();

  bool is_open() const { return state_ == State::kOpen; }
  double confidence() const { return draft_confidence(logprobs_); }

  /// Stops what is dropped.
  std::stop_token token() const { return stop_.get_token(); }

 private:
  enum class State { kUndecided, kOpen, kShut };
  void decide();

  double least_;
  engine::TokenSink& next_;
  State state_ = State::kUndecided;
  std::vector<double> logprobs_;
  std::string held_;
  std::stop_source stop_;
  std::stop_callback<std::function<void()>> forward_;
};

}  // namespace sain::router
