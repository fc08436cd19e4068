#include "router/http/anthropic.h"

#include <limits>
#include <utility>

#include "router/http/api_error.h"
#include "router/http/json_body.h"
#include "router/http/sse_writer.h"
#include "router/privacy/audit_log.h"
#include "router/protocol/message.h"

namespace sain::router {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr size_t kMostStopStrings = 16;

std::string_view stop_reason(const ChatEnd& end) {
  return finish_word(end.finish_reason) == "length" ? "max_tokens" : "end_turn";
}

ordered_json message(const std::string& id, const std::string& model, ordered_json content, size_t input_tokens) {
  return {{"id", id},
          {"type", "message"},
          {"role", "assistant"},
          {"model", model},
          {"content", std::move(content)},
          {"stop_reason", nullptr},
          {"stop_sequence", nullptr},
          {"usage", {{"input_tokens", input_tokens}, {"output_tokens", 0}}}};
}

class MessageStream {
 public:
  MessageStream(const RegistrySnapshot& members, ResponseWriter& writer) : members_(members), sse_(writer) {}

  ChatListener listener() {
    return {.on_text = [this](SpecialistId by, std::string_view text, const auto&) { say(by, text); },
            .on_event =
                [this](const Event& event) {
                  sse_.comment(progress_line(event, members_));
                  if (const auto* handoff = std::get_if<HandoffEvent>(&event)) {
                    input_tokens_ = handoff->n_tokens;
                    sse_.open();
                  }
                }};
  }

  bool is_open() const { return sse_.is_open(); }
  void fail(const Error& error) {
    sse_.event("error", ordered_json::parse(error_body(api_error(error), ApiStyle::kAnthropic)));
  }

  void finish(const ChatEnd& end) {
    begin(end.by);
    sse_.event("content_block_stop", {{"type", "content_block_stop"}, {"index", 0}});
    sse_.event("message_delta",
               {{"type", "message_delta"},
                {"delta", {{"stop_reason", stop_reason(end)}, {"stop_sequence", nullptr}}},
                {"usage", {{"input_tokens", end.prompt_tokens}, {"output_tokens", end.completion_tokens}}}});
    sse_.event("message_stop", {{"type", "message_stop"}});
  }

 private:
  void begin(SpecialistId by) {
    if (std::exchange(has_begun_, true)) return;
    sse_.event("message_start",
               {{"type", "message_start"},
                {"message", message(id_, members_.names[index(by)], ordered_json::array(), input_tokens_)}});
    sse_.event("content_block_start",
               {{"type", "content_block_start"}, {"index", 0}, {"content_block", {{"type", "text"}, {"text", ""}}}});
  }

  void say(SpecialistId by, std::string_view text) {
    begin(by);
    sse_.event("content_block_delta",
               {{"type", "content_block_delta"}, {"index", 0}, {"delta", {{"type", "text_delta"}, {"text", text}}}});
  }

  const RegistrySnapshot& members_;
  SseWriter sse_;
  std::string id_ = "msg_" + make_opaque_id();
  size_t input_tokens_ = 0;
  bool has_begun_ = false;
};

void read_messages(Fields& fields, const json& body, ChatCall& call, std::optional<Error>& error) {
  MessageList list;
  if (fields.has("system")) list.add("system", read_content(body.at("system"), "system", error), "system");
  const json* messages = fields.array("messages");
  for (size_t i = 0; messages != nullptr && i < messages->size(); ++i) {
    const std::string path = fmt::format("messages[{}]", i);
    Fields parts((*messages)[i], path, error);
    const std::string role = parts.text("role");
    if (role != "user" && role != "assistant") parts.fail("role", "user or assistant");
    if (!parts.has("content")) parts.fail("content", "a text or a list of blocks");
    if (!error) list.add(role, read_content((*messages)[i].at("content"), path + ".content", error), path);
  }
  if (error) return;
  if (const Status complete = list.finish(call); !complete) error = complete.error();
}

}  // namespace

Result<AnthropicCall> parse_anthropic(std::string_view text, AnthropicUse use) {
  SAIN_ASSIGN_OR_RETURN(const json body, parse_json_object(text));
  AnthropicCall asked;
  AnswerOptions& answer = asked.call.options.answer;
  std::optional<Error> error;
  Fields fields(body, "", error);
  if (fields.has("model")) asked.call.model = fields.some_text("model");
  read_messages(fields, body, asked.call, error);
  if (use == AnthropicUse::kAnswer)
    answer.max_tokens = static_cast<uint32_t>(fields.count("max_tokens", std::numeric_limits<uint32_t>::max(), 1));
  if (fields.has("stream")) asked.is_stream = fields.flag("stream");
  if (fields.has("stop_sequences") && body.at("stop_sequences") != json::array())
    answer.stop_strings = read_texts(fields, body, "stop_sequences", kMostStopStrings);
  answer.temperature = read_float(fields, "temperature", 0, 1);
  answer.top_p = read_float(fields, "top_p", 0, 1);
  if (fields.has("top_k")) answer.top_k = static_cast<int>(fields.count("top_k", 1 << 30));
  refuse_unless(fields, body, "tools", json::array());
  refuse_unless(fields, body, "thinking", {{"type", "disabled"}});
  if (error) return *std::move(error);
  return asked;
}

Status answer_anthropic(const HttpRequest& request, ChatTeam& team, ResponseWriter& writer) {
  SAIN_ASSIGN_OR_RETURN(const AnthropicCall asked, parse_anthropic(request.body, AnthropicUse::kAnswer));
  const ChatCall call = nth_call(asked.call, 0);
  if (!asked.is_stream) {
    SAIN_ASSIGN_OR_RETURN(const ChatEnd end, run_call(team, call, {}, writer.left()));
    ordered_json answer = message("msg_" + make_opaque_id(), team.members().names[index(end.by)],
                                  ordered_json::array({{{"type", "text"}, {"text", end.text}}}), end.prompt_tokens);
    answer["stop_reason"] = stop_reason(end);
    answer["usage"]["output_tokens"] = end.completion_tokens;
    writer.send({.body = to_line(answer) + "\n"});
    return {};
  }
  MessageStream stream(team.members(), writer);
  const auto end = run_call(team, call, stream.listener(), writer.left());
  if (!end && !stream.is_open()) return end.error();
  if (end) {
    stream.finish(*end);
  } else {
    stream.fail(end.error());
  }
  return {};
}

Status count_anthropic_tokens(const HttpRequest& request, ChatTeam& team, ResponseWriter& writer) {
  SAIN_ASSIGN_OR_RETURN(const AnthropicCall asked, parse_anthropic(request.body, AnthropicUse::kCountTokens));
  SAIN_ASSIGN_OR_RETURN(const auto member, find_member(asked.call.model, team.members()));
  Conversation conversation;
  for (const Turn& turn : asked.call.turns) conversation.context.record(turn);
  SAIN_ASSIGN_OR_RETURN(const size_t n, team.count_tokens(member.value_or(kAssistant), conversation, asked.call.request,
                                                          asked.call.options.answer, writer.left()));
  writer.send({.body = to_line({{"input_tokens", n}}) + "\n"});
  return {};
}

}  // namespace sain::router
