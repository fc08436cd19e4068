#include "router/coordinator.h"

#include <algorithm>
#include <condition_variable>
#include <new>
#include <system_error>
#include <thread>
#include <utility>

#include "formats/utf8.h"
#include "router/answer_check.h"
#include "router/answer_sinks.h"
#include "router/deadline.h"
#include "router/draft_gate.h"
#include "router/plan.h"

namespace sain::router {
namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

}  // namespace

struct Coordinator::Request {
  Conversation& conversation;
  std::string text;
  RequestOptions options;
  const EventSink& sink;
  std::stop_token stop;
  Clock::time_point start = Clock::now();
  RequestTimings timings = {};
  size_t n_tokens = 0;                               // of all answers so far
  RequestCost cost = {};                             // of the step that is served, for whoever counts
  bool is_draft = false;                             // what the assistant says may give way to a specialist
  FallbackCause failure = FallbackCause::kNoAnswer;  // of the member that was tried last
};

struct Coordinator::Outcome {
  SpecialistId by = kAssistant;
  Answer answer = {};
};

Coordinator::Coordinator(const Registry& registry, Residency& residency, Transitions& transitions,
                         CoordinatorOptions options, CoordinatorParts parts)
    : registry_(registry),
      residency_(residency),
      transitions_(transitions),
      options_(options),
      parts_(std::move(parts)) {
  metrics_.n_answers.resize(registry.size());
}

/// A request that is less sure than this is looked at together with the one before; and bytes of either, at most.
constexpr double kSure = 0.8;
constexpr size_t kMostOfTopic = 200;

RouteDecision Coordinator::route(std::string_view text, const Conversation& conversation, Mode mode) const {
  RouteRequest request{.text = text, .mode = mode};
  if (const auto& turns = conversation.context.turns(); !turns.empty()) request.current = turns.back().by;
  // An explicit @name needs no classification.
  RouteDecision decision = decide(request, registry_.snapshot(), options_.policy);
  if (decision.cause == RouteCause::kExplicit) return decision;
  auto classification = parts_.classify(text);
  if (!classification) {
    decision.reason = fmt::format("routing failed ({}): the assistant answers", classification.error().message);
    return decision;
  }
  request.classification = *std::move(classification);
  decision = decide(request, registry_.snapshot(), options_.policy);
  // "and in Rust?" alone says little: what went before says what it is about.
  if (decision.confidence < kSure && text.size() <= kMostOfTopic &&
      request.current.value_or(kAssistant) != kAssistant) {
    const std::string_view before = conversation.context.turns().back().request;
    const std::string_view topic = formats::utf8_beginning(before, kMostOfTopic);
    auto together = parts_.classify(fmt::format("{}\n{}", topic, text));
    if (together) request.classification = *std::move(together);
    decision = decide(request, registry_.snapshot(), options_.policy);
  }
  if (decision.cause == RouteCause::kBelowThreshold && options_.vote_weight > 0 && parts_.vote) {
    ask_for_votes(request, decision);
    decision = decide(request, registry_.snapshot(), options_.policy);
  }
  return decision;
}

/// Mixes the assistant's vote, over the members that come into question, into the probabilities of their intents.
void Coordinator::ask_for_votes(RouteRequest& request, const RouteDecision& decision) const {
  constexpr size_t kMostCandidates = 4;
  std::vector<SpecialistId> members;
  for (size_t i = 0; i < decision.probabilities.size(); ++i) members.push_back(SpecialistId(i));
  std::ranges::sort(members, std::greater<>(), [&](SpecialistId id) { return decision.probabilities[index(id)]; });
  members.resize(std::min(members.size(), kMostCandidates));
  const auto votes = parts_.vote(decision.request, members);
  if (!votes) return;  // without it the decision stands
  std::vector<double> factor(registry_.size(), 1);
  double whole = 0;  // of the candidates together, which the vote does not change
  for (const SpecialistId id : members) whole += decision.probabilities[index(id)];
  for (size_t i = 0; i < members.size(); ++i) {
    const double p = decision.probabilities[index(members[i])];
    if (p > 0)
      factor[index(members[i])] = ((1 - options_.vote_weight) * p + options_.vote_weight * whole * (*votes)[i]) / p;
  }
  for (size_t i = 0; i < request.classification.probabilities.size(); ++i)
    request.classification.probabilities[i] *= factor[index(registry_.snapshot().intent_owner[i])];
}

Status Coordinator::handle(Conversation& conversation, std::string_view text, const RequestOptions& options,
                           const EventSink& sink, std::stop_token stop) {
  count([](Metrics& m) { ++m.n_requests; });
  conversation.priority = options.priority == Priority::kBackground ? engine::TurnPriority::kBackground
                                                                    : engine::TurnPriority::kInteractive;
  Request request{.conversation = conversation, .text = {}, .options = options, .sink = sink, .stop = std::move(stop)};
  const RouteDecision whole = options.member ? decide_for(*options.member, text, registry_.snapshot())
                                             : route(text, conversation, options.mode);
  const std::vector<RouteDecision> steps = plan(whole, request);
  request.timings.route_ms = request.cost.route_ms = ms_since(request.start);
  sink(RouteEvent{whole});
  if (steps.size() > 1) {
    PlanEvent event;
    for (const RouteDecision& step : steps) event.steps.push_back({step.target, step.request});
    sink(event);
  }
  Outcome last;
  for (size_t i = 0; i < steps.size(); ++i) {
    if (steps.size() > 1) sink(StepEvent{i});
    SAIN_ASSIGN_OR_RETURN(last, serve(steps[i], request));
    if (last.answer.finish_reason == engine::FinishReason::kCancelled) break;
    if (i + 1 == steps.size() && i > 0 && options_.synthesis) synthesise(steps.size(), request);
  }
  finish(last, request);
  return {};
}

/// The steps of a request, if it has several and two members at least are sure enough that each is theirs; otherwise
/// the request as a whole. Neighbours of one member are one step.
std::vector<RouteDecision> Coordinator::plan(const RouteDecision& whole, const Request& request) const {
  // Several answers would not have the form together, or go on after a call.
  if (request.options.answer.form != nullptr || request.options.answer.tools != nullptr) return {whole};
  if (!options_.plans || whole.cause == RouteCause::kExplicit || request.options.mode != Mode::kAuto) return {whole};
  const std::vector<std::string> parts = split_steps(whole.request);
  std::vector<RouteDecision> steps;
  for (const std::string& part : parts) {
    if (parts.size() == 1) break;
    RouteDecision step = route(part);
    if (step.target == kAssistant) return {whole};
    if (!steps.empty() && steps.back().target == step.target) {
      steps.back().request += ", then " + step.request;
    } else {
      steps.push_back(std::move(step));
    }
  }
  return steps.size() > 1 ? steps : std::vector<RouteDecision>{whole};
}

/// The specialist to whom the assistant leaves the request if it is not sure of its draft.
std::optional<SpecialistId> Coordinator::escalation(const RouteDecision& decision, const Request& request) const {
  if (options_.draft_confidence <= 0 || decision.cause != RouteCause::kBelowThreshold) return std::nullopt;
  // A stream that has forgotten tokens cannot take a draft back.
  const auto& stream = request.conversation.stream;
  if (stream && stream->n_tokens() > stream->history().size()) return std::nullopt;
  const auto& p = decision.probabilities;  // a specialist's is the greatest
  return SpecialistId(static_cast<uint32_t>(std::ranges::max_element(p) - p.begin()));
}

/// The answer of the first member that gives one; an error when nobody does. The turn joins the conversation.
Result<Coordinator::Outcome> Coordinator::serve(const RouteDecision& decision, Request& request) {
  request.text = decision.request;
  std::vector<SpecialistId> members = {decision.target};
  const auto specialist = escalation(decision, request);
  if (specialist) members.push_back(*specialist);
  if (decision.second_best) members.push_back(*decision.second_best);
  if (members.back() != kAssistant) members.push_back(kAssistant);
  for (size_t i = 0;; ++i) {
    const SpecialistId id = members[i];
    const bool is_last = i + 1 == members.size();
    request.is_draft = specialist && i == 0;
    const std::string& name = registry_.snapshot().names[index(id)];
    if (id != kAssistant)
      request.sink(StatusEvent{StatusEvent::Kind::kAcknowledged, id, 0,
                               registry_.member(id).cloud
                                   ? fmt::format("Let me ask the {} specialist, who is not on this machine.", name)
                                   : fmt::format("Let me bring in the {} specialist.", name)});
    auto answer = try_member(id, request);
    const bool is_stopped = request.stop.stop_requested();
    if (!answer && is_stopped) answer = Answer{.finish_reason = engine::FinishReason::kCancelled};
    if (!answer && is_last) {
      count([](Metrics& m) { ++m.n_errors; });
      if (parts_.serving != nullptr) parts_.serving->finish(id, RequestEnd::kFailed, request.cost);
      request.sink(ErrorEvent{answer.error()});
      return std::move(answer).error();
    }
    if (!is_stopped && (!answer || is_blank(answer->text))) {
      if (!is_last) {
        fall_back(id, members[i + 1], answer ? "it gave no answer" : answer.error().message, request);
        continue;
      }
      answer->text = "I am sorry, I have no answer to that.";
      request.sink(TokenEvent{kAssistant, answer->text});
    }
    Outcome outcome{id, *std::move(answer)};
    record(outcome, request);
    return outcome;
  }
}

/// What the assistant makes of the last turns. It is said and not kept: the turns are there.
void Coordinator::synthesise(size_t n_steps, Request& request) {
  request.sink(StepEvent{n_steps});
  request.text = "In one or two sentences: what do your last answers say together?";
  [[maybe_unused]] const auto answer = try_member(kAssistant, request);  // without it nothing is missing
}

/// Leases the member's model for as long as it answers.
Result<Answer> Coordinator::try_member(SpecialistId id, Request& request) try {
  const Clock::time_point load_start = Clock::now();
  const bool was_loaded = residency_.is_loaded(id);
  auto lease = bring_in(id, request);
  request.failure = FallbackCause::kLoadFailed;
  if (!lease) {
    if (lease.error().code != ErrorCode::kCancelled) count([](Metrics& m) { ++m.n_load_failures; });
    return std::move(lease).error();
  }
  const double load_ms = ms_since(load_start);
  request.timings.load_ms += load_ms;
  request.cost.load_ms += was_loaded ? 0 : load_ms;
  const Forgetting before = request.conversation.context.forgetting();
  auto answer = this->answer(id, *lease, request);
  const ContextManager& context = request.conversation.context;
  if (context.forgetting() > before) request.sink(ForgetEvent{context.forgetting(), context.forgetting_text()});
  const bool is_unsure = !answer && request.failure == FallbackCause::kUnsure;
  if (!request.stop.stop_requested() && !is_unsure && (!answer || is_blank(answer->text)))
    count([](Metrics& m) { ++m.n_answer_failures; });
  return answer;
} catch (const std::bad_alloc&) {
  return make_error(ErrorCode::kResourceExhausted, "there is not enough memory");
} catch (const std::system_error& error) {
  return make_error(ErrorCode::kResourceExhausted, "no thread could be started: {}", error.what());
}

/// Waits for the lease. When that takes long the assistant talks meanwhile: then the wait is another thread's, and what
/// it has to tell comes between two words.
Result<ModelLease> Coordinator::bring_in(SpecialistId id, Request& request) {
  AcquireOptions acquire{.status = [&request](const StatusEvent& event) { request.sink(event); },
                         .stop = request.stop,
                         .priority = request.options.priority,
                         .timeout = options_.load_timeout};
  if (registry_.member(id).cloud) return ModelLease();  // there is nothing to bring in
  if (id == kAssistant) acquire.status = {};
  if (id == kAssistant || !parts_.talk || options_.talk_after.count() == 0 || residency_.is_loaded(id))
    return residency_.acquire(id, acquire);

  std::mutex mutex;
  std::condition_variable changed;
  std::deque<StatusEvent> events;
  std::optional<Result<ModelLease>> lease;
  std::stop_source end_of_talk;
  const std::stop_callback forward(request.stop, [&end_of_talk] { end_of_talk.request_stop(); });
  acquire.status = [&](const StatusEvent& event) {
    const std::lock_guard lock(mutex);
    events.push_back(event);
    changed.notify_all();
  };
  const std::jthread waiter([&] {
    auto result = residency_.acquire(id, acquire);
    const std::lock_guard lock(mutex);
    lease = std::move(result);
    end_of_talk.request_stop();
    changed.notify_all();
  });
  const auto tell = [&] {  // what has come
    std::deque<StatusEvent> come;
    {
      const std::lock_guard lock(mutex);
      come.swap(events);
    }
    for (const StatusEvent& event : come) request.sink(event);
  };
  const auto talk_at = Clock::now() + options_.talk_after;
  bool has_talked = false;
  for (;;) {
    tell();
    std::unique_lock lock(mutex);
    if (lease && events.empty()) return std::move(*lease);
    const auto has_news = [&] { return lease || !events.empty(); };
    if (has_talked) {
      changed.wait(lock, has_news);
    } else if (!changed.wait_until(lock, talk_at, has_news)) {
      lock.unlock();
      has_talked = true;
      TalkForwarder talk(id, [&](const StatusEvent& event) {
        tell();
        request.sink(event);
      });
      parts_.talk(id, request.text, end_of_talk.get_token(), talk);
    }
  }
}

/// A refusal is a failure, and so is a specialist that has not begun in time.
Result<Answer> Coordinator::answer(SpecialistId id, const ModelLease& lease, Request& request) {
  std::optional<Deadline> deadline;
  if (id != kAssistant) deadline.emplace(request.stop, options_.answer_timeout);
  TokenForwarder forwarder(id, request.sink, request.start, request.timings, deadline ? &*deadline : nullptr);
  request.failure = FallbackCause::kAnswerFailed;
  const MemberRequest asked = {.text = request.text, .mode = request.options.mode, .answer = request.options.answer};
  if (request.is_draft) return draft(lease, asked, forwarder, request);
  const EventSink events = [&](const Event& event) {
    const auto* status = std::get_if<StatusEvent>(&event);
    if (deadline && status != nullptr && status->kind == StatusEvent::Kind::kThinking) deadline->meet();
    request.sink(event);
  };
  auto answer = parts_.answer(id, lease, request.conversation, asked, deadline ? deadline->token() : request.stop,
                              events, forwarder);
  if (deadline && deadline->is_over()) {
    request.failure = FallbackCause::kTooLate;
    return make_error(ErrorCode::kResourceExhausted, "it had not begun after {} s",
                      std::chrono::duration<double>(options_.answer_timeout).count());
  }
  if (answer && id != kAssistant && is_refusal(answer->text)) {
    request.failure = FallbackCause::kRefused;
    return make_error(ErrorCode::kUnsupported, "it refused to answer");
  }
  if (answer) request.failure = FallbackCause::kNoAnswer;  // if it is blank
  forwarder.flush();
  return answer;
}

/// An answer of the assistant that passes on once it is sure of it. What it is not sure of is a failure.
Result<Answer> Coordinator::draft(const ModelLease& lease, MemberRequest asked, engine::TokenSink& sink,
                                  Request& request) {
  DraftGate gate(options_.draft_confidence, sink, request.stop);
  asked.top_logprobs = 0;
  auto answer = parts_.answer(kAssistant, lease, request.conversation, asked, gate.token(), request.sink, gate);
  if (!answer) return answer;
  gate.finish();
  if (gate.is_open()) {
    request.failure = FallbackCause::kNoAnswer;  // if it is blank
    return answer;
  }
  if (request.stop.stop_requested()) {
    answer->text.clear();  // nobody has seen it
    return answer;
  }
  request.failure = FallbackCause::kUnsure;
  return make_error(ErrorCode::kUnsupported, "a confidence of {:.2f} < {:.2f} in its draft", gate.confidence(),
                    options_.draft_confidence);
}

void Coordinator::fall_back(SpecialistId from, SpecialistId to, const std::string& reason, Request& request) {
  count([](Metrics& m) { ++m.n_fallbacks; });
  if (parts_.serving != nullptr) parts_.serving->fall_back(from, request.failure);
  const std::vector<std::string>& names = registry_.snapshot().names;
  std::string text = "I am not sure of my answer.";
  if (from != kAssistant)
    text = fmt::format(
        "The {} specialist could not answer, so {}.", names[index(from)],
        to == kAssistant ? "I will try myself" : fmt::format("the {} specialist will try", names[index(to)]));
  request.sink(FallbackEvent{from, to, reason, std::move(text)});
}

void Coordinator::record(const Outcome& outcome, Request& request) {
  const Answer& answer = outcome.answer;
  request.timings.prefill_tokens += answer.timings.prefill_tokens;
  request.timings.decode_tokens += answer.timings.decode_tokens;
  request.n_tokens += answer.n_tokens;
  const bool is_cancelled = answer.finish_reason == engine::FinishReason::kCancelled;
  count([&](Metrics& m) { ++(is_cancelled ? m.n_cancelled : m.n_answers[index(outcome.by)]); });
  RequestCost cost = std::exchange(request.cost, {});
  cost.prefill_ms = answer.timings.prefill_ms;
  cost.first_token_ms = request.timings.first_token_ms;
  cost.decode_ms = answer.timings.decode_ms;
  cost.prefill_tokens = answer.timings.prefill_tokens;
  cost.decode_tokens = answer.timings.decode_tokens;
  if (parts_.serving != nullptr)
    parts_.serving->finish(outcome.by, is_cancelled ? RequestEnd::kCancelled : RequestEnd::kAnswered, cost);
  if (is_blank(answer.text)) return;
  if (!is_cancelled && outcome.by != kAssistant)
    transitions_.record(history(request.conversation), registry_.snapshot().names[index(outcome.by)]);
  request.conversation.context.record({request.text, answer.text, outcome.by});
}

void Coordinator::finish(const Outcome& last, Request& request) {
  request.timings.total_ms = ms_since(request.start);
  count([&](Metrics& m) { m.add(request.timings); });
  request.sink(DoneEvent{last.by, !registry_.member(last.by).cloud, last.answer.finish_reason,
                         last.answer.n_dropped_turns, last.answer.context, request.timings, request.n_tokens,
                         last.answer.stop_string});
  look_ahead(request.conversation);
}

/// Tells the residency who is likely to be needed next in the conversations that go on, and has the likeliest loaded.
void Coordinator::look_ahead(const Conversation& conversation) {
  constexpr size_t kMostConversations = 16;
  constexpr double kFading = 0.5;  // the longer ago one has spoken, the less likely it speaks next
  constexpr double kWorthLoading = 0.1;
  const std::vector<std::string>& names = registry_.snapshot().names;
  std::vector<double> next = transitions_.next(history(conversation), std::span(names).subspan(1));
  next.insert(next.begin(), 0);  // the assistant is there in any case
  std::vector<double> forecast(registry_.size(), 0.0);
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(forecasts_, [&](const auto& forecast_of) { return forecast_of.first == conversation.id; });
    forecasts_.emplace_front(conversation.id, next);
    if (forecasts_.size() > kMostConversations) forecasts_.pop_back();
    double weight = 1 - kFading;
    for (const auto& [id, p] : forecasts_) {
      for (size_t i = 0; i < p.size(); ++i) forecast[i] += weight * p[i];
      weight *= kFading;
    }
  }
  residency_.set_forecast(forecast);
  if (!options_.prefetch) return;
  std::vector<SpecialistId> order;
  for (size_t i = 1; i < next.size(); ++i)
    if (next[i] >= kWorthLoading) order.push_back(SpecialistId(i));
  std::ranges::sort(order, std::greater<>(), [&](SpecialistId id) { return next[index(id)]; });
  const auto absent = std::ranges::find_if(
      order, [&](SpecialistId id) { return !registry_.member(id).model.empty() && !residency_.is_loaded(id); });
  if (absent != order.end()) residency_.prefetch(*absent);
}

/// The specialists that answered, oldest first, each once however often in a row: that it goes on is no news.
std::vector<std::string> Coordinator::history(const Conversation& conversation) const {
  std::vector<std::string> names = {std::string(Transitions::kBeginning)};
  for (const Turn& turn : conversation.context.turns()) {
    const std::string& name = registry_.snapshot().names[index(turn.by)];
    if (turn.by != kAssistant && names.back() != name) names.push_back(name);
  }
  return names;
}

Result<std::vector<double>> Coordinator::draft(std::string_view request, size_t n_tokens, std::stop_token stop) const {
  SAIN_ASSIGN_OR_RETURN(const ModelLease lease, residency_.acquire(kAssistant, {.stop = stop}));
  Conversation conversation;
  DraftCollector collector(n_tokens, stop);
  SAIN_ASSIGN_OR_RETURN([[maybe_unused]] const Answer answer,
                        parts_.answer(
                            kAssistant, lease, conversation, {.text = request, .mode = Mode::kAuto, .top_logprobs = 0},
                            collector.token(), [](const Event&) {}, collector));
  return std::move(collector.logprobs);
}

Metrics Coordinator::metrics() const {
  const std::lock_guard lock(mutex_);
  return metrics_;
}

void Coordinator::count(const std::function<void(Metrics&)>& change) {
  const std::lock_guard lock(mutex_);
  change(metrics_);
}

}  // namespace sain::router
