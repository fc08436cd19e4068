#include "router/http/openai_chat.h"

#include <ctime>
#include <utility>

#include "formats/utf8.h"
#include "router/http/api_error.h"
#include "router/http/json_body.h"
#include "router/http/sse_writer.h"
#include "router/http/tool_fields.h"
#include "router/privacy/audit_log.h"
#include "router/protocol/message.h"

namespace sain::router {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

/// A token's text; one that is a part of a character is replaced by its sign, and "bytes" tells what it is.
ordered_json token_json(const std::string& text, double logprob) {
  constexpr double kLowest = -9999;  // JSON has no infinity
  ordered_json bytes = ordered_json::array();
  for (const char byte : text) bytes.push_back(static_cast<unsigned char>(byte));
  return {{"token", text}, {"logprob", logprob > kLowest ? logprob : kLowest}, {"bytes", std::move(bytes)}};
}

ordered_json logprobs_json(const std::vector<AnsweredToken>& tokens) {
  ordered_json content = ordered_json::array();
  for (const AnsweredToken& token : tokens) {
    ordered_json item = token_json(token.text, token.logprob);
    item["top_logprobs"] = ordered_json::array();
    for (const auto& other : token.top) item["top_logprobs"].push_back(token_json(other.text, other.logprob));
    content.push_back(std::move(item));
  }
  return {{"content", std::move(content)}};
}

/// A message of the assistant, whose text may be missing where it calls functions.
void read_assistant(Fields& parts, const json& message, const std::string& path, MessageList& list,
                    std::optional<Error>& error) {
  const bool has_calls = message.contains("tool_calls") && message.at("tool_calls") != json::array() &&
                         !message.at("tool_calls").is_null();
  if (!has_calls && !parts.has("content")) return parts.fail("content", "a text or a list of parts");
  list.add("assistant", parts.has("content") ? read_content(message.at("content"), path + ".content", error) : "",
           path);
  const json* calls = has_calls ? parts.array("tool_calls") : nullptr;
  for (size_t i = 0; calls != nullptr && i < calls->size(); ++i) {
    const std::string call_path = fmt::format("{}.tool_calls[{}]", path, i);
    Fields call((*calls)[i], call_path, error);
    Fields function = call.object("function");
    const std::string name = function.some_text("name"), arguments = function.text("arguments");
    list.add_call({call.some_text("id"), name, arguments}, call_path);
  }
}

void read_messages(const json& body, ChatCall& call, std::optional<Error>& error) {
  Fields fields(body, "", error);
  const json* messages = fields.array("messages");
  if (messages == nullptr) return;
  if (messages->empty()) return fields.fail("messages", "one message at least");
  MessageList list;
  for (size_t i = 0; i < messages->size(); ++i) {
    const std::string path = fmt::format("messages[{}]", i);
    const json& message = (*messages)[i];
    Fields parts(message, path, error);
    const std::string role = parts.text("role");
    if (role == "assistant") {
      read_assistant(parts, message, path, list, error);
    } else if (!parts.has("content")) {
      parts.fail("content", "a text or a list of parts");
    } else if (role == "tool") {
      list.add_result(parts.some_text("tool_call_id"), {},
                      read_content(message.at("content"), path + ".content", error), path + ".tool_call_id");
    } else {
      list.add(role, read_content(message.at("content"), path + ".content", error), path);
    }
  }
  if (error) return;
  if (const Status complete = list.finish(call); !complete) error = complete.error();
}

ordered_json call_json(const ToolCall& call, std::string_view arguments) {
  return {{"id", call.id}, {"type", "function"}, {"function", {{"name", call.name}, {"arguments", arguments}}}};
}

ordered_json message_json(const ChatEnd& end) {
  ordered_json message = {{"role", "assistant"}, {"content", end.text}, {"refusal", nullptr}};
  if (end.calls.empty()) return message;
  if (end.text.empty()) message["content"] = nullptr;
  for (const ToolCall& call : end.calls) message["tool_calls"].push_back(call_json(call, call.arguments));
  return message;
}

/// What all chunks of a stream, or the whole answer, are and have.
struct Head {
  std::string id = "chatcmpl-" + make_opaque_id();
  std::time_t created = std::time(nullptr);

  ordered_json object(const char* kind, const std::string& model) const {
    return {{"id", id}, {"object", kind}, {"created", created}, {"model", model}};
  }
};

/// Writes one answer after the other as chunks.
class ChunkStream {
 public:
  ChunkStream(const OpenAiCall& call, const RegistrySnapshot& members, ResponseWriter& writer)
      : call_(call), members_(members), sse_(writer) {}

  ChatListener listener() {
    return {.on_text = [this](SpecialistId by, std::string_view text,
                              std::vector<AnsweredToken> tokens) { say(by, text, tokens); },
            .on_call = [this](SpecialistId by, size_t i, const ToolCall& call,
                              std::string_view arguments) { call_function(by, i, call, arguments); },
            .on_event = [this](const Event& event) { tell(event); }};
  }

  /// An answer is complete; what comes then belongs to the next one.
  void end(ChatEnd end) {
    if (!has_role_) say(end.by, {}, {});
    ordered_json last = chunk(end.by, ordered_json::object(), finish_word(end));
    last["sain"] = answered_by(end, members_);
    sse_.data(last);
    ends_.push_back(std::move(end));
    has_role_ = false;
    n_calls_ = 0;
  }

  void finish() {
    if (call_.include_usage) {
      ordered_json usage = head_.object("chat.completion.chunk", members_.names[index(ends_.back().by)]);
      usage["choices"] = ordered_json::array();
      usage["usage"] = openai_usage(ends_);
      sse_.data(usage);
    }
    sse_.line("[DONE]");
  }

  bool is_open() const { return sse_.is_open(); }
  void fail(const Error& error) { sse_.line(error_body(api_error(error), ApiStyle::kOpenAi)); }

 private:
  ordered_json chunk(SpecialistId by, ordered_json delta, std::optional<std::string_view> finish_reason = {}) const {
    ordered_json object = head_.object("chat.completion.chunk", members_.names[index(by)]);
    object["choices"] = ordered_json::array(
        {{{"index", ends_.size()}, {"delta", std::move(delta)}, {"logprobs", nullptr}, {"finish_reason", nullptr}}});
    if (finish_reason) object["choices"][0]["finish_reason"] = *finish_reason;
    if (call_.include_usage) object["usage"] = nullptr;
    return object;
  }

  void say(SpecialistId by, std::string_view text, const std::vector<AnsweredToken>& tokens) {
    ordered_json delta = {{"content", text}};
    if (!has_role_) delta = {{"role", "assistant"}, {"content", text}};
    has_role_ = true;
    ordered_json piece = chunk(by, std::move(delta));
    if (!tokens.empty()) piece["choices"][0]["logprobs"] = logprobs_json(tokens);
    sse_.data(piece);
  }

  void call_function(SpecialistId by, size_t i, const ToolCall& call, std::string_view arguments) {
    ordered_json delta = {{"index", i}, {"function", {{"arguments", arguments}}}};
    if (i == n_calls_) {
      ++n_calls_;
      delta = {{"index", i}};
      delta.update(call_json(call, arguments));
    }
    ordered_json piece = {{"tool_calls", ordered_json::array({std::move(delta)})}};
    if (!std::exchange(has_role_, true)) piece["role"] = "assistant";
    sse_.data(chunk(by, std::move(piece)));
  }

  void tell(const Event& event) {
    sse_.comment(progress_line(event, members_));
    const bool is_wait = std::holds_alternative<StatusEvent>(event) &&
                         std::get<StatusEvent>(event).kind != StatusEvent::Kind::kAcknowledged;
    // From the handoff on nothing can be wrong with the request any more.
    if (is_wait || std::holds_alternative<HandoffEvent>(event)) sse_.open();
    if (!call_.with_events) return;
    ordered_json told = head_.object("chat.completion.chunk", call_.call.model);
    told["choices"] = ordered_json::array();
    told["sain"] = to_json(event, members_);
    events_.push_back(std::move(told));
    if (!sse_.is_open()) return;
    for (const ordered_json& waiting : std::exchange(events_, {})) sse_.data(waiting);
  }

  const OpenAiCall& call_;
  const RegistrySnapshot& members_;
  SseWriter sse_;
  Head head_;
  std::vector<ordered_json> events_;  // that wait for the stream to open
  std::vector<ChatEnd> ends_;
  // Of the answer that is being written:
  bool has_role_ = false;
  size_t n_calls_ = 0;  // that have begun
};

Status stream(const OpenAiCall& call, ChatTeam& team, ResponseWriter& writer) {
  ChunkStream chunks(call, team.members(), writer);
  for (uint32_t i = 0; i < call.n; ++i) {
    auto end = run_call(team, nth_call(call.call, i), chunks.listener(), writer.left());
    if (!end && !chunks.is_open()) return std::move(end).error();
    if (!end) {
      chunks.fail(end.error());
      return {};
    }
    chunks.end(*std::move(end));
  }
  chunks.finish();
  return {};
}

}  // namespace

Result<OpenAiCall> parse_openai_chat(std::string_view text) {
  SAIN_ASSIGN_OR_RETURN(const json body, parse_json_object(text));
  OpenAiCall call;
  std::optional<Error> error;
  read_messages(body, call.call, error);
  read_openai_options(body, text, call, error);
  AnswerOptions& answer = call.call.options.answer;
  answer.tools = read_tools(body, text, ToolShape::kChat, error);
  Fields fields(body, "", error);
  const bool wants_logprobs = fields.has("logprobs") && fields.flag("logprobs");
  if (answer.tools != nullptr && answer.form != nullptr)
    fields.fail("tools", "no response_format or grammar beside them");
  if (wants_logprobs) answer.top_logprobs = 0;
  if (fields.has("top_logprobs")) {
    const auto n = static_cast<uint32_t>(fields.count("top_logprobs", engine::LogprobMeter::kMostTop));
    if (!wants_logprobs && n > 0) fields.fail("top_logprobs", "logprobs to be true beside it");
    if (wants_logprobs) answer.top_logprobs = n;
  }
  if (error) return *std::move(error);
  return call;
}

Status answer_openai_chat(const HttpRequest& request, ChatTeam& team, ResponseWriter& writer) {
  SAIN_ASSIGN_OR_RETURN(const OpenAiCall call, parse_openai_chat(request.body));
  if (call.is_stream) return stream(call, team, writer);
  ordered_json choices = ordered_json::array();
  std::vector<ChatEnd> ends;
  for (uint32_t i = 0; i < call.n; ++i) {
    SAIN_ASSIGN_OR_RETURN(const ChatEnd end, run_call(team, nth_call(call.call, i), {}, writer.left()));
    choices.push_back(
        {{"index", i}, {"message", message_json(end)}, {"logprobs", nullptr}, {"finish_reason", finish_word(end)}});
    if (call.call.options.answer.top_logprobs) choices.back()["logprobs"] = logprobs_json(end.tokens);
    ends.push_back(end);
  }
  ordered_json answer = Head().object("chat.completion", team.members().names[index(ends.front().by)]);
  answer["choices"] = std::move(choices);
  answer["usage"] = openai_usage(ends);
  answer["sain"] = answered_by(ends.front(), team.members());
  writer.send({.body = to_line(answer) + "\n"});
  return {};
}

}  // namespace sain::router
