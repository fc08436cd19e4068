#include "router/http/anthropic.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "router/http/api_error.h"
#include "router/http/json_body.h"
#include "router/http/sse_writer.h"
#include "router/http/tool_fields.h"
#include "router/privacy/audit_log.h"
#include "router/protocol/message.h"
#include "router/tool_prompt.h"

namespace sain::router {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr size_t kMostStopStrings = 16;

/// Why an answer ended, and by which of the client's stop sequences if it was one.
ordered_json ending(const ChatEnd& end, const ChatCall& call) {
  const auto& sequences = call.options.answer.stop_strings;
  const std::string_view word = finish_word(end);
  if (word == "length") return {{"stop_reason", "max_tokens"}, {"stop_sequence", nullptr}};
  if (word == "tool_calls") return {{"stop_reason", "tool_use"}, {"stop_sequence", nullptr}};
  if (std::ranges::find(sequences, end.stop_string) != sequences.end())
    return {{"stop_reason", "stop_sequence"}, {"stop_sequence", end.stop_string}};
  return {{"stop_reason", "end_turn"}, {"stop_sequence", nullptr}};
}

ordered_json tool_use(const ToolCall& call, ordered_json input) {
  return {{"type", "tool_use"}, {"id", call.id}, {"name", call.name}, {"input", std::move(input)}};
}

ordered_json content(const ChatEnd& end) {
  ordered_json blocks = ordered_json::array();
  if (!end.text.empty() || end.calls.empty()) blocks.push_back({{"type", "text"}, {"text", end.text}});
  for (const ToolCall& call : end.calls) blocks.push_back(tool_use(call, arguments_json(call)));
  return blocks;
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
  MessageStream(const ChatCall& call, const RegistrySnapshot& members, ResponseWriter& writer)
      : call_(call), members_(members), sse_(writer) {}

  ChatListener listener() {
    return {.on_text = [this](SpecialistId by, std::string_view text, const auto&) { say(by, text); },
            .on_call = [this](SpecialistId by, size_t i, const ToolCall& call,
                              std::string_view arguments) { call_function(by, i, call, arguments); },
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
    if (end.calls.empty()) begin_text(end.by);
    end_block();
    sse_.event("message_delta",
               {{"type", "message_delta"},
                {"delta", ending(end, call_)},
                {"usage", {{"input_tokens", end.prompt_tokens}, {"output_tokens", end.completion_tokens}}}});
    sse_.event("message_stop", {{"type", "message_stop"}});
  }

 private:
  void begin_block(SpecialistId by, const ordered_json& block) {
    if (!std::exchange(has_begun_, true))
      sse_.event("message_start",
                 {{"type", "message_start"},
                  {"message", message(id_, members_.names[index(by)], ordered_json::array(), input_tokens_)}});
    end_block();
    sse_.event("content_block_start",
               {{"type", "content_block_start"}, {"index", n_blocks_}, {"content_block", block}});
    ++n_blocks_;
  }

  /// The last one, if there is any.
  void end_block() {
    if (n_blocks_ > 0) sse_.event("content_block_stop", {{"type", "content_block_stop"}, {"index", n_blocks_ - 1}});
  }

  void send_delta(const ordered_json& delta) {
    sse_.event("content_block_delta", {{"type", "content_block_delta"}, {"index", n_blocks_ - 1}, {"delta", delta}});
  }

  void begin_text(SpecialistId by) {
    if (n_blocks_ == 0) begin_block(by, {{"type", "text"}, {"text", ""}});
  }

  void say(SpecialistId by, std::string_view text) {
    begin_text(by);
    send_delta({{"type", "text_delta"}, {"text", text}});
  }

  void call_function(SpecialistId by, size_t i, const ToolCall& call, std::string_view arguments) {
    if (i == n_calls_) {
      ++n_calls_;
      begin_block(by, tool_use(call, ordered_json::object()));
    }
    if (!arguments.empty()) send_delta({{"type", "input_json_delta"}, {"partial_json", arguments}});
  }

  const ChatCall& call_;
  const RegistrySnapshot& members_;
  SseWriter sse_;
  std::string id_ = "msg_" + make_opaque_id();
  size_t input_tokens_ = 0;
  bool has_begun_ = false;
  size_t n_blocks_ = 0, n_calls_ = 0;  // that have begun
};

/// A block of a message: its text; a call, which is the assistant's; or what one came to, which the user sends.
void read_block(const json& block, const std::string& role, const std::string& path, MessageList& list,
                std::optional<Error>& error) {
  Fields parts(block, path, error);
  const std::string type = parts.text("type");
  if (type == "tool_use" && role == "assistant") {
    const std::string id = parts.some_text("id"), name = parts.some_text("name");
    parts.object("input");
    if (!error) list.add_call({id, name, block.at("input").dump()}, path);
  } else if (type == "tool_result" && role == "user") {
    const std::string id = parts.some_text("tool_use_id");
    const bool is_error = parts.has("is_error") && parts.flag("is_error");
    const std::string text =
        parts.has("content") ? read_content(block.at("content"), path + ".content", error) : std::string();
    list.add_result(id, {}, is_error ? "Error: " + text : text, path + ".tool_use_id");
  } else {
    list.add(role, read_content(json::array({block}), path, error), path);
  }
}

/// Whether all of `content` is a text, or blocks of text.
bool is_text(const json& content) {
  return !content.is_array() || std::ranges::none_of(content, [](const json& block) {
    return block.is_object() && block.contains("type") &&
           (block["type"] == "tool_use" || block["type"] == "tool_result");
  });
}

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
    if (error) return;
    const json& content = (*messages)[i].at("content");
    if (is_text(content)) {
      list.add(role, read_content(content, path + ".content", error), path);
    } else {
      for (size_t k = 0; k < content.size(); ++k)
        read_block(content[k], role, fmt::format("{}.content[{}]", path, k), list, error);
    }
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
  answer.tools = read_tools(body, text, ToolShape::kAnthropic, error);
  refuse_unless(fields, body, "thinking", {{"type", "disabled"}});
  if (error) return *std::move(error);
  return asked;
}

Status answer_anthropic(const HttpRequest& request, ChatTeam& team, ResponseWriter& writer) {
  SAIN_ASSIGN_OR_RETURN(const AnthropicCall asked, parse_anthropic(request.body, AnthropicUse::kAnswer));
  const ChatCall call = nth_call(asked.call, 0);
  if (!asked.is_stream) {
    SAIN_ASSIGN_OR_RETURN(const ChatEnd end, run_call(team, call, {}, writer.left()));
    ordered_json answer =
        message("msg_" + make_opaque_id(), team.members().names[index(end.by)], content(end), end.prompt_tokens);
    answer.update(ending(end, call));
    answer["usage"]["output_tokens"] = end.completion_tokens;
    writer.send({.body = to_line(answer) + "\n"});
    return {};
  }
  MessageStream stream(call, team.members(), writer);
  return stream_call(team, call, stream, writer.left());
}

Status count_anthropic_tokens(const HttpRequest& request, ChatTeam& team, ResponseWriter& writer) {
  SAIN_ASSIGN_OR_RETURN(const AnthropicCall asked, parse_anthropic(request.body, AnthropicUse::kCountTokens));
  SAIN_ASSIGN_OR_RETURN(const auto member, find_member(asked.call.model, team.members()));
  Conversation conversation;
  for (const Turn& turn : asked.call.turns) conversation.context.record(turn);
  conversation.context.go_on(asked.call.steps);
  SAIN_ASSIGN_OR_RETURN(const size_t n, team.count_tokens(member.value_or(kAssistant), conversation, asked.call.request,
                                                          asked.call.options.answer, writer.left()));
  writer.send({.body = to_line({{"input_tokens", n}}) + "\n"});
  return {};
}

}  // namespace sain::router
