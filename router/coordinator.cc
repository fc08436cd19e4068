#include "router/coordinator.h"

#include <chrono>

namespace sain::router {
namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

/// Passes text on as events, and notes when the first came.
class TokenForwarder : public engine::TokenSink {
 public:
  TokenForwarder(SpecialistId by, const EventSink& sink, Clock::time_point start, RequestTimings& timings)
      : by_(by), sink_(sink), start_(start), timings_(timings) {}

  void on_text(std::string_view text) override {
    if (text.empty()) return;
    if (!has_text_) timings_.first_token_ms = ms_since(start_);
    has_text_ = true;
    sink_(TokenEvent{by_, std::string(text)});
  }

 private:
  SpecialistId by_;
  const EventSink& sink_;
  Clock::time_point start_;
  RequestTimings& timings_;
  bool has_text_ = false;
};

void add(RequestTimings& sum, const RequestTimings& timings) {
  sum.route_ms += timings.route_ms;
  sum.load_ms += timings.load_ms;
  sum.first_token_ms += timings.first_token_ms;
  sum.total_ms += timings.total_ms;
  sum.prefill_tokens += timings.prefill_tokens;
  sum.decode_tokens += timings.decode_tokens;
}

}  // namespace

struct Coordinator::Request {
  std::string text;
  const EventSink& sink;
  std::stop_token stop;
  Clock::time_point start = Clock::now();
  RequestTimings timings = {};
};

RouteDecision Coordinator::route(std::string_view request) const {
  // An explicit @name needs no classification.
  RouteDecision decision = decide({request, {}}, registry_.snapshot(), policy_);
  if (decision.cause == RouteCause::kExplicit) return decision;
  auto classification = parts_.classify(request);
  if (!classification) {
    decision.reason = fmt::format("routing failed ({}): the assistant answers", classification.error().message);
    return decision;
  }
  return decide({request, *std::move(classification)}, registry_.snapshot(), policy_);
}

Status Coordinator::handle(std::string_view text, const EventSink& sink, std::stop_token stop) {
  ++metrics_.n_requests;
  Request request{.text = {}, .sink = sink, .stop = std::move(stop)};
  RouteDecision decision = route(text);
  request.text = decision.request;
  request.timings.route_ms = ms_since(request.start);
  const SpecialistId target = decision.target;
  sink(RouteEvent{std::move(decision)});

  if (target != kAssistant) {
    sink(StatusEvent{StatusEvent::Kind::kAcknowledged, target, 0,
                     fmt::format("Let me bring in the {} specialist.", registry_.snapshot().names[index(target)])});
    auto answer = try_member(target, request);
    const bool is_stopped = request.stop.stop_requested();
    if (answer && (is_stopped || !is_blank(answer->text))) return finish(target, *std::move(answer), request), Status();
    if (is_stopped) return finish(target, {.finish_reason = engine::FinishReason::kCancelled}, request), Status();
    fall_back(target, answer ? "it gave no answer" : answer.error().message, request);
  }
  auto answer = try_member(kAssistant, request);
  if (!answer && request.stop.stop_requested()) answer = Answer{.finish_reason = engine::FinishReason::kCancelled};
  if (!answer) {
    ++metrics_.n_errors;
    sink(ErrorEvent{answer.error()});
    return std::move(answer).error();
  }
  if (is_blank(answer->text) && answer->finish_reason != engine::FinishReason::kCancelled) {
    answer->text = "I am sorry, I have no answer to that.";
    sink(TokenEvent{kAssistant, answer->text});
  }
  finish(kAssistant, *std::move(answer), request);
  return {};
}

/// Leases the member's model for as long as it answers.
Result<Answer> Coordinator::try_member(SpecialistId id, Request& request) {
  const Clock::time_point load_start = Clock::now();
  const StatusSink status = [&request](const StatusEvent& event) { request.sink(event); };
  auto lease = residency_.acquire(id, {.status = id == kAssistant ? StatusSink() : status, .stop = request.stop});
  if (!lease) {
    if (lease.error().code != ErrorCode::kCancelled) ++metrics_.n_load_failures;
    return std::move(lease).error();
  }
  request.timings.load_ms = ms_since(load_start);
  TokenForwarder forwarder(id, request.sink, request.start, request.timings);
  const Forgetting before = context_.forgetting();
  auto answer = parts_.answer(id, *lease, context_, request.text, request.stop, status, forwarder);
  if (context_.forgetting() > before) request.sink(ForgetEvent{context_.forgetting(), context_.forgetting_text()});
  if (!request.stop.stop_requested() && (!answer || is_blank(answer->text))) ++metrics_.n_answer_failures;
  return answer;
}

void Coordinator::fall_back(SpecialistId from, const std::string& reason, Request& request) {
  ++metrics_.n_fallbacks;
  const std::string& name = registry_.snapshot().names[index(from)];
  request.sink(
      FallbackEvent{from, reason, fmt::format("The {} specialist could not answer, so I will try myself.", name)});
}

void Coordinator::finish(SpecialistId by, Answer answer, Request& request) {
  request.timings.total_ms = ms_since(request.start);
  request.timings.prefill_tokens = answer.timings.prefill_tokens;
  request.timings.decode_tokens = answer.timings.decode_tokens;
  add(metrics_.sum, request.timings);
  if (answer.finish_reason == engine::FinishReason::kCancelled) {
    ++metrics_.n_cancelled;
  } else {
    ++metrics_.n_answers[index(by)];
  }
  if (!is_blank(answer.text)) context_.record({request.text, std::move(answer.text), by});
  request.sink(DoneEvent{by, answer.finish_reason, answer.n_dropped_turns, answer.context, request.timings});
}

}  // namespace sain::router
