#include "router/protocol/message.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "router/privacy/decision.h"
#include "router/protocol/fields.h"

namespace sain::router {

using nlohmann::ordered_json;

std::string_view to_string(StatusEvent::Kind kind) {
  switch (kind) {
    case StatusEvent::Kind::kAcknowledged:
      return "acknowledged";
    case StatusEvent::Kind::kLoading:
      return "loading";
    case StatusEvent::Kind::kReady:
      return "ready";
    case StatusEvent::Kind::kSummarising:
      return "summarising";
    case StatusEvent::Kind::kTalking:
      return "talking";
    case StatusEvent::Kind::kThinking:
      return "thinking";
  }
  return "loading";
}

// Not in an anonymous namespace: Fields::one_of() finds them by their argument.

static std::string_view to_string(Forgetting what) {
  switch (what) {
    case Forgetting::kNothing:
      return "nothing";
    case Forgetting::kSummarised:
      return "summarised";
    case Forgetting::kStreamed:
      return "streamed";
    case Forgetting::kDropped:
      return "dropped";
  }
  return "nothing";
}

static std::string_view to_string(Priority priority) {
  return priority == Priority::kInteractive ? "interactive" : "background";
}

}  // namespace sain::router

namespace sain {

static std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return "invalid_argument";
    case ErrorCode::kNotFound:
      return "not_found";
    case ErrorCode::kIo:
      return "io";
    case ErrorCode::kCorrupt:
      return "corrupt";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kResourceExhausted:
      return "resource_exhausted";
    case ErrorCode::kCancelled:
      return "cancelled";
    case ErrorCode::kInternal:
      return "internal";
  }
  return "internal";
}

}  // namespace sain

namespace sain::router {
namespace {

constexpr double kMostMs = 1e10;  // 115 days
constexpr uint64_t kMostTokens = UINT32_MAX;

/// One overload an event; each gives the fields of its JSON object.
struct EventFields {
  const RegistrySnapshot& registry;

  const std::string& name(SpecialistId id) const { return registry.names[index(id)]; }

  ordered_json operator()(const RouteEvent& event) const {
    ordered_json json = {{"event", "route"}};
    json.update(to_json(event.decision, registry));
    return json;
  }
  ordered_json operator()(const PlanEvent& event) const {
    ordered_json steps = ordered_json::array();
    for (const PlanEvent::Step& step : event.steps)
      steps.push_back({{"specialist", name(step.target)}, {"request", step.request}});
    return {{"event", "plan"}, {"steps", std::move(steps)}};
  }
  ordered_json operator()(const StepEvent& event) const { return {{"event", "step"}, {"index", event.index}}; }
  ordered_json operator()(const StatusEvent& event) const {
    ordered_json json = {{"event", "status"}, {"kind", to_string(event.kind)}, {"specialist", name(event.member)}};
    if (!event.text.empty()) json["text"] = event.text;
    if (event.kind == StatusEvent::Kind::kLoading) json["fraction"] = event.fraction;
    return json;
  }
  ordered_json operator()(const HandoffEvent& event) const {
    return {{"event", "handoff"},       {"to", name(event.to)},          {"turns", event.n_turns},
            {"tokens", event.n_tokens}, {"known_tokens", event.n_known}, {"ms", event.ms}};
  }
  ordered_json operator()(const TokenEvent& event) const {
    return {{"event", "token"}, {"by", name(event.by)}, {"text", event.text}};
  }
  ordered_json operator()(const FallbackEvent& event) const {
    return {{"event", "fallback"},
            {"from", name(event.from)},
            {"to", name(event.to)},
            {"reason", event.reason},
            {"text", event.text}};
  }
  ordered_json operator()(const ForgetEvent& event) const {
    return {{"event", "forget"}, {"kind", to_string(event.what)}, {"text", event.text}};
  }
  ordered_json operator()(const DoneEvent& event) const {
    const RequestTimings& timings = event.timings;
    return {{"event", "done"},
            {"by", name(event.by)},
            {"place", to_string(event.is_local ? AnswerPlace::kLocal : AnswerPlace::kCloud)},
            {"finish_reason", engine::to_string(event.finish_reason)},
            {"dropped_turns", event.n_dropped_turns},
            {"context", {{"tokens", event.context.n_tokens}, {"limit", event.context.limit}}},
            {"timings",
             {{"route_ms", timings.route_ms},
              {"load_ms", timings.load_ms},
              {"first_token_ms", timings.first_token_ms},
              {"total_ms", timings.total_ms},
              {"prefill_tokens", timings.prefill_tokens},
              {"decode_tokens", timings.decode_tokens}}}};
  }
  ordered_json operator()(const ErrorEvent& event) const {
    return {{"event", "error"}, {"code", to_string(event.error.code)}, {"message", event.error.message}};
  }
};

SpecialistId read_member(Fields& fields, const char* name, const RegistrySnapshot& registry) {
  const std::string found = fields.text(name);
  const auto it = std::ranges::find(registry.names, found);
  if (it != registry.names.end()) return SpecialistId(static_cast<uint32_t>(it - registry.names.begin()));
  fields.fail(name, "the name of a member");
  return kAssistant;
}

RouteDecision read_decision(Fields& fields, const RegistrySnapshot& registry) {
  RouteDecision decision;
  decision.target = read_member(fields, "specialist", registry);
  decision.confidence = fields.number("confidence", 0, 1);
  decision.margin = fields.number("margin", 0, 1);
  decision.familiarity = fields.number("familiarity", 0, 1);
  decision.cause = fields.one_of("cause", RouteCause::kUnclassified);
  decision.reason = fields.text("reason");
  decision.request = fields.text("text");
  if (fields.has("second_best")) decision.second_best = read_member(fields, "second_best", registry);
  Fields probabilities = fields.object("probabilities");
  if (probabilities.size() == 0) return decision;
  for (const std::string& name : registry.names)
    decision.probabilities.push_back(probabilities.number(name.c_str(), 0, 1));
  if (probabilities.size() != registry.names.size()) fields.fail("probabilities", "one for each member");
  return decision;
}

PlanEvent read_plan(Fields& fields, const RegistrySnapshot& registry, std::optional<Error>& error) {
  PlanEvent event;
  const nlohmann::json* steps = fields.array("steps");
  if (steps != nullptr && steps->size() < 2) fields.fail("steps", "two at least");
  for (size_t i = 0; steps != nullptr && i < steps->size(); ++i) {
    Fields step((*steps)[i], fmt::format("plan.steps.{}", i), error);
    event.steps.push_back({read_member(step, "specialist", registry), step.text("request")});
  }
  return event;
}

StatusEvent read_status(Fields& fields, const RegistrySnapshot& registry) {
  using Kind = StatusEvent::Kind;
  StatusEvent event;
  event.kind = fields.one_of("kind", Kind::kThinking);
  event.member = read_member(fields, "specialist", registry);
  if (event.kind == Kind::kLoading) event.fraction = fields.number("fraction", 0, 1);
  const bool speaks =
      event.kind == Kind::kAcknowledged || event.kind == Kind::kTalking || event.kind == Kind::kThinking;
  if (speaks || fields.has("text")) event.text = fields.some_text("text");
  return event;
}

// Braces evaluate from left to right: the first field that is wrong is the one that is named.

DoneEvent read_done(Fields& fields, const RegistrySnapshot& registry) {
  DoneEvent event;
  event.by = read_member(fields, "by", registry);
  event.is_local = fields.one_of("place", AnswerPlace::kCloud) == AnswerPlace::kLocal;
  event.finish_reason = fields.one_of("finish_reason", engine::FinishReason::kCancelled);
  event.n_dropped_turns = fields.count("dropped_turns");
  Fields context = fields.object("context");
  event.context = {context.count("tokens"), context.count("limit")};
  Fields timings = fields.object("timings");
  event.timings = {timings.number("route_ms", 0, kMostMs),
                   timings.number("load_ms", 0, kMostMs),
                   timings.number("first_token_ms", 0, kMostMs),
                   timings.number("total_ms", 0, kMostMs),
                   static_cast<uint32_t>(timings.count("prefill_tokens", kMostTokens)),
                   static_cast<uint32_t>(timings.count("decode_tokens", kMostTokens))};
  return event;
}

/// None: there is no such message.
std::optional<Event> read_event(std::string_view kind, Fields& fields, const RegistrySnapshot& registry,
                                std::optional<Error>& error) {
  if (kind == "route") return RouteEvent{read_decision(fields, registry)};
  if (kind == "plan") return read_plan(fields, registry, error);
  if (kind == "step") return StepEvent{fields.count("index")};
  if (kind == "status") return read_status(fields, registry);
  if (kind == "handoff")
    return HandoffEvent{read_member(fields, "to", registry), fields.count("turns"), fields.count("tokens"),
                        fields.count("known_tokens"), fields.number("ms", 0, kMostMs)};
  if (kind == "token") return TokenEvent{read_member(fields, "by", registry), fields.some_text("text")};
  if (kind == "fallback")
    return FallbackEvent{read_member(fields, "from", registry), read_member(fields, "to", registry),
                         fields.text("reason"), fields.text("text")};
  if (kind == "forget") return ForgetEvent{fields.one_of("kind", Forgetting::kDropped), fields.text("text")};
  if (kind == "done") return read_done(fields, registry);
  if (kind == "error") return ErrorEvent{{fields.one_of("code", ErrorCode::kInternal), fields.text("message")}};
  return std::nullopt;
}

}  // namespace

ordered_json to_json(const RequestMessage& request) {
  return {{"event", "request"},
          {"text", request.text},
          {"mode", to_string(request.options.mode)},
          {"priority", to_string(request.options.priority)}};
}

ordered_json to_json(const Event& event, const RegistrySnapshot& registry) {
  return std::visit(EventFields{registry}, event);
}

ordered_json to_json(const RouteDecision& decision, const RegistrySnapshot& registry) {
  ordered_json probabilities = ordered_json::object();
  for (size_t i = 0; i < decision.probabilities.size(); ++i)
    probabilities[registry.names[i]] = decision.probabilities[i];
  ordered_json json = {{"specialist", registry.names[index(decision.target)]},
                       {"confidence", decision.confidence},
                       {"margin", decision.margin},
                       {"familiarity", decision.familiarity},
                       {"cause", to_string(decision.cause)},
                       {"reason", decision.reason},
                       {"probabilities", std::move(probabilities)},
                       {"text", decision.request}};
  if (decision.second_best) json["second_best"] = registry.names[index(*decision.second_best)];
  return json;
}

std::string to_line(const ordered_json& json) {
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

Result<RequestMessage> parse_request(const nlohmann::json& message) {
  std::optional<Error> error;
  Fields fields(message, "request", error);
  if (fields.text("event") != "request") fields.fail("event", "request");
  RequestMessage request = {
      fields.some_text("text"),
      {.mode = fields.one_of("mode", Mode::kSlow), .priority = fields.one_of("priority", Priority::kBackground)}};
  if (error) return *std::move(error);
  return request;
}

Result<Event> parse_event(const nlohmann::json& message, const RegistrySnapshot& registry) {
  std::optional<Error> error;
  Fields top(message, "", error);
  const std::string kind = top.text("event");
  Fields fields(message, kind, error);
  std::optional<Event> event = read_event(kind, fields, registry, error);
  if (!event) top.fail("event", "route, plan, step, status, handoff, token, fallback, forget, done or error");
  if (error) return *std::move(error);
  return *std::move(event);
}

}  // namespace sain::router
