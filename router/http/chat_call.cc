#include "router/http/chat_call.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>

#include "router/http/json_body.h"
#include "router/http/tool_call_reader.h"
#include "router/tool_set.h"

namespace sain::router {
namespace {

constexpr std::string_view kBetween = "\n\n";

void append(std::string& text, std::string_view more) {
  if (!text.empty() && !more.empty()) text += kBetween;
  text += more;
}

/// Follows the events of one call.
class Run {
 public:
  Run(const ChatListener& listener, const ToolSet* tools) : listener_(listener), tools_(tools) { begin_reading(); }

  void on_event(const Event& event) {
    if (const auto* token = std::get_if<TokenEvent>(&event)) return read(token->by, token->text);
    if (const auto* step = std::get_if<StepEvent>(&event)) begin_step(step->index);
    if (const auto* handoff = std::get_if<HandoffEvent>(&event)) step_prompt_tokens_ = handoff->n_tokens;
    if (std::holds_alternative<FallbackEvent>(event)) take_back();
    if (const auto* done = std::get_if<DoneEvent>(&event)) finish(*done);
    if (listener_.on_event) listener_.on_event(event);
  }
  void on_token(const AnsweredToken& token) { tokens_.push_back(token); }

  std::stop_token is_void() const { return void_.get_token(); }
  ChatEnd take_end() { return std::move(end_); }

 private:
  void begin_reading() {
    if (tools_ != nullptr) reader_.emplace(tools_->callable, tools_->most_calls);
  }

  void read(SpecialistId by, std::string_view text) {
    if (!reader_) return say(by, text);
    pass(by, reader_->push(text));
  }

  void pass(SpecialistId by, const std::vector<AnswerPiece>& pieces) {
    for (const AnswerPiece& piece : pieces) {
      if (!piece.call) {
        say(by, piece.text);
      } else if (listener_.on_call && !void_.stop_requested()) {
        listener_.on_call(by, *piece.call, reader_->calls()[*piece.call], piece.text);
      }
    }
  }

  void say(SpecialistId by, std::string_view text) {
    end_.text += text;
    end_.tokens.insert(end_.tokens.end(), tokens_.begin(), tokens_.end());
    if (listener_.on_text && !void_.stop_requested()) listener_.on_text(by, text, std::exchange(tokens_, {}));
    tokens_.clear();
  }

  void begin_step(size_t index) {
    end_.prompt_tokens += std::exchange(step_prompt_tokens_, 0);
    if (index > 0 && !end_.text.empty()) say(kAssistant, kBetween);
    step_text_ = end_.text.size();
    step_tokens_ = end_.tokens.size();
  }

  /// What this step has said is void.
  void take_back() {
    const bool was_heard = (listener_.on_text && end_.text.size() > step_text_) ||
                           (listener_.on_call && reader_ && !reader_->calls().empty());
    if (was_heard) void_.request_stop();
    end_.text.resize(step_text_);
    end_.tokens.resize(step_tokens_);
    tokens_.clear();
    begin_reading();
  }

  void finish(const DoneEvent& done) {
    if (reader_) {
      pass(done.by, reader_->finish());
      end_.calls = reader_->calls();
    }
    if (!tokens_.empty()) say(done.by, {});
    end_.by = done.by;
    end_.is_local = done.is_local;
    end_.finish_reason = done.finish_reason;
    end_.stop_string = done.stop_string;
    end_.prompt_tokens += step_prompt_tokens_;
    end_.completion_tokens = done.n_tokens;
    end_.timings = done.timings;
  }

  const ChatListener& listener_;
  const ToolSet* tools_;
  std::optional<ToolCallReader> reader_;
  ChatEnd end_;
  std::vector<AnsweredToken> tokens_;  // since the last text
  size_t step_text_ = 0, step_tokens_ = 0, step_prompt_tokens_ = 0;
  std::stop_source void_;
};

}  // namespace

ChatCall nth_call(ChatCall call, uint32_t i) {
  std::optional<uint64_t>& seed = call.options.answer.seed;
  call.options.answer.is_repeatable = seed.has_value();
  if (!seed) seed = std::random_device()();
  *seed += i;
  return call;
}

void MessageList::fail(const std::string& path, std::string_view expected) {
  if (!error_) error_ = make_error(ErrorCode::kInvalidArgument, "{}: expected {}", path, expected);
}

/// Whether nothing is missing; otherwise that is an error.
bool MessageList::expect_results(const std::string& path) {
  if (!open_.empty())
    fail(path, fmt::format("the result of the call \"{}\" of {} before anything else", open_[0].id, open_[0].name));
  return open_.empty();
}

void MessageList::add(std::string_view role, std::string text, const std::string& path) {
  if (error_) return;
  if (role == "system" || role == "developer") return append(system_, text);
  if (!expect_results(path)) return;
  if (role == "user") {
    if (last_role_ != "user") turns_.emplace_back();
    append(turns_.back().request, text);
  } else if (role == "assistant" && !turns_.empty()) {
    append(turns_.back().answer, text);
  } else if (role == "assistant") {
    fail(path + ".role", "user before the first assistant");
  } else {
    fail(path + ".role", "system, developer, user, assistant or tool");
  }
  last_role_ = role;
}

void MessageList::add_call(ToolCall call, const std::string& path) {
  if (error_) return;
  if (turns_.empty()) return fail(path, "a message of the user before the first call");
  if (std::ranges::any_of(open_, [&](const ToolCall& known) { return known.id == call.id; }))
    return fail(path, fmt::format("an id of its own, found \"{}\" twice", call.id));
  if (call.arguments.empty()) call.arguments = "{}";
  if (const auto arguments = parse_json_object(call.arguments); !arguments)
    return fail(path, fmt::format("arguments that are a JSON object ({})", arguments.error().message));
  Turn& turn = turns_.back();
  if (last_role_ != "call") {
    if (!expect_results(path)) return;
    turn.steps.push_back({"assistant", std::exchange(turn.answer, {})});
  }
  turn.steps.back().calls.push_back(call);
  open_.push_back(std::move(call));
  last_role_ = "call";
}

void MessageList::add_result(const std::string& id, const std::string& name, std::string text,
                             const std::string& path) {
  if (error_) return;
  const auto call = std::ranges::find_if(
      open_, [&](const ToolCall& known) { return id.empty() ? name.empty() || known.name == name : known.id == id; });
  if (call == open_.end())
    return fail(path,
                fmt::format("the id of a call before it that has no result yet, found \"{}\"", id.empty() ? name : id));
  turns_.back().steps.push_back({"tool", std::move(text), {}, call->id, call->name});
  open_.erase(call);
  last_role_ = "tool";
}

Status MessageList::finish(ChatCall& call) {
  if (!error_) expect_results("messages");
  if (error_) return *error_;
  if (last_role_ != "user" && last_role_ != "tool")
    return make_error(ErrorCode::kInvalidArgument, "messages: expected the last one to be the user's, or a tool's");
  if (turns_.back().request.find_first_not_of(" \t\r\n") == std::string::npos)
    return make_error(ErrorCode::kInvalidArgument, "messages: expected text in the user's last one");
  call.request = std::move(turns_.back().request);
  call.steps = std::move(turns_.back().steps);
  turns_.pop_back();
  call.turns = std::move(turns_);
  call.options.answer.system_prompt = std::move(system_);
  return {};
}

Result<std::optional<SpecialistId>> find_member(std::string_view model, const RegistrySnapshot& members) {
  if (model == "auto") return std::optional<SpecialistId>();
  const auto id = members.find(model);
  if (!id || members.is_gone(*id))
    return make_error(ErrorCode::kNotFound, "model: there is no \"{}\" (GET /v1/models lists them)", model);
  return id;
}

Result<ChatEnd> run_call(ChatTeam& team, const ChatCall& call, const ChatListener& listener, std::stop_token stop) {
  RequestOptions options = call.options;
  SAIN_ASSIGN_OR_RETURN(options.member, find_member(call.model, team.members()));
  Run run(listener, options.answer.tools.get());
  if (options.answer.top_logprobs)
    options.answer.on_token = [&run](const AnsweredToken& token) { run.on_token(token); };
  Conversation conversation;
  for (const Turn& turn : call.turns) conversation.context.record(turn);
  conversation.context.go_on(call.steps);
  std::stop_source stops;
  const std::stop_callback outer(stop, [&stops] { stops.request_stop(); });
  const std::stop_callback inner(run.is_void(), [&stops] { stops.request_stop(); });
  const Status status = team.handle(
      conversation, call.request, options, [&run](const Event& event) { run.on_event(event); }, stops.get_token());
  if (run.is_void().stop_requested())
    return make_error(ErrorCode::kIo, "the specialist failed in the middle of its answer");
  if (!status && status.error().code == ErrorCode::kNotFound)
    return make_error(ErrorCode::kInternal, "{}", status.error().message);
  if (!status) return status.error();
  return run.take_end();
}

std::string_view finish_word(const ChatEnd& end) {
  if (end.finish_reason == engine::FinishReason::kLength || end.finish_reason == engine::FinishReason::kContext)
    return "length";
  return end.calls.empty() ? "stop" : "tool_calls";
}

std::string progress_line(const Event& event, const RegistrySnapshot& members) {
  const auto name = [&members](SpecialistId id) { return members.names[index(id)]; };
  if (const auto* route = std::get_if<RouteEvent>(&event))
    return fmt::format("routed to {}: {}", name(route->decision.target), route->decision.reason);
  if (const auto* fallback = std::get_if<FallbackEvent>(&event))
    return fmt::format("{} answers instead of {}", name(fallback->to), name(fallback->from));
  const auto* status = std::get_if<StatusEvent>(&event);
  if (status == nullptr) return {};
  if (status->kind == StatusEvent::Kind::kLoading)
    return fmt::format("loading {}, {:.0f} %", name(status->member), 10 * std::floor(10 * status->fraction));
  if (status->kind == StatusEvent::Kind::kReady) return fmt::format("{} is ready", name(status->member));
  return {};
}

}  // namespace sain::router
