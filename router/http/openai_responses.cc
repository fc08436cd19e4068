#include "router/http/openai_responses.h"

#include <ctime>
#include <limits>
#include <utility>

#include "router/http/api_error.h"
#include "router/http/form_field.h"
#include "router/http/json_body.h"
#include "router/http/sse_writer.h"
#include "router/http/tool_fields.h"
#include "router/privacy/audit_log.h"
#include "router/protocol/message.h"

namespace sain::router {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

/// The objects that answers are made of.
class ResponseObjects {
 public:
  explicit ResponseObjects(const RegistrySnapshot& members) : members_(members) {}

  static ordered_json part(std::string_view text) {
    return {{"type", "output_text"}, {"text", text}, {"annotations", ordered_json::array()}};
  }

  ordered_json message(std::string_view status, ordered_json content) const {
    return {{"type", "message"},
            {"id", message_id_},
            {"status", status},
            {"role", "assistant"},
            {"content", std::move(content)}};
  }

  static std::string id_of(const ToolCall& call) { return "fc_" + call.id; }

  static ordered_json call(std::string_view status, const ToolCall& call, std::string_view arguments) {
    return {{"type", "function_call"}, {"id", id_of(call)},      {"call_id", call.id},
            {"name", call.name},       {"arguments", arguments}, {"status", status}};
  }

  ordered_json response(SpecialistId by, std::string_view status, ordered_json output) const {
    return {{"id", id_},
            {"object", "response"},
            {"created_at", created_},
            {"status", status},
            {"error", nullptr},
            {"incomplete_details", nullptr},
            {"model", members_.names[index(by)]},
            {"output", std::move(output)},
            {"parallel_tool_calls", true},
            {"tool_choice", "auto"},
            {"tools", ordered_json::array()},
            {"usage", nullptr}};
  }

  ordered_json complete(const ChatEnd& end) const {
    const bool is_cut = finish_word(end) == "length";
    const char* status = is_cut ? "incomplete" : "completed";
    ordered_json output = ordered_json::array();
    if (!end.text.empty() || end.calls.empty())
      output.push_back(message(status, ordered_json::array({part(end.text)})));
    for (const ToolCall& made : end.calls) output.push_back(call(status, made, made.arguments));
    ordered_json whole = response(end.by, status, std::move(output));
    if (is_cut) whole["incomplete_details"] = {{"reason", "max_output_tokens"}};
    whole["usage"] = {{"input_tokens", end.prompt_tokens},
                      {"input_tokens_details", {{"cached_tokens", 0}}},
                      {"output_tokens", end.completion_tokens},
                      {"output_tokens_details", {{"reasoning_tokens", 0}}},
                      {"total_tokens", end.prompt_tokens + end.completion_tokens}};
    return whole;
  }

  const std::string& message_id() const { return message_id_; }

 private:
  const RegistrySnapshot& members_;
  std::string id_ = "resp_" + make_opaque_id(), message_id_ = "msg_" + make_opaque_id();
  std::time_t created_ = std::time(nullptr);
};

class ResponseStream {
 public:
  ResponseStream(const RegistrySnapshot& members, ResponseWriter& writer)
      : members_(members), objects_(members), sse_(writer) {}

  ChatListener listener() {
    return {.on_text = [this](SpecialistId by, std::string_view text, const auto&) { say(by, text); },
            .on_call = [this](SpecialistId by, size_t i, const ToolCall& call,
                              std::string_view arguments) { call_function(by, i, call, arguments); },
            .on_event =
                [this](const Event& event) {
                  sse_.comment(progress_line(event, members_));
                  if (std::holds_alternative<HandoffEvent>(event)) sse_.open();
                }};
  }

  bool is_open() const { return sse_.is_open(); }
  void fail(const Error& error) {
    send("error", {{"code", "server_error"}, {"message", error.message}, {"param", nullptr}});
  }

  void finish(const ChatEnd& end) {
    if (end.calls.empty()) begin_message(end.by);
    ordered_json whole = objects_.complete(end);
    for (size_t i = 0; i < whole["output"].size(); ++i) {
      const ordered_json& item = whole["output"][i];
      if (item["type"] == "message") {
        send_text("response.output_text.done", {{"text", end.text}});
        send_text("response.content_part.done", {{"part", ResponseObjects::part(end.text)}});
      } else {
        send("response.function_call_arguments.done",
             {{"item_id", item["id"]}, {"output_index", i}, {"arguments", item["arguments"]}});
      }
      send("response.output_item.done", {{"output_index", i}, {"item", item}});
    }
    const std::string kind = "response." + whole["status"].get<std::string>();
    send(kind, {{"response", std::move(whole)}});
  }

 private:
  void begin(SpecialistId by) {
    if (std::exchange(has_begun_, true)) return;
    for (const char* kind : {"response.created", "response.in_progress"})
      send(kind, {{"response", objects_.response(by, "in_progress", ordered_json::array())}});
  }

  void begin_message(SpecialistId by) {
    begin(by);
    if (std::exchange(has_message_, true)) return;
    send("response.output_item.added",
         {{"output_index", 0}, {"item", objects_.message("in_progress", ordered_json::array())}});
    send_text("response.content_part.added", {{"part", ResponseObjects::part({})}});
  }

  void say(SpecialistId by, std::string_view text) {
    begin_message(by);
    if (!text.empty()) send_text("response.output_text.delta", {{"delta", text}});
  }

  void call_function(SpecialistId by, size_t i, const ToolCall& call, std::string_view arguments) {
    begin(by);
    const size_t output_index = i + (has_message_ ? 1 : 0);
    if (i == n_calls_) {
      ++n_calls_;
      send("response.output_item.added",
           {{"output_index", output_index}, {"item", ResponseObjects::call("in_progress", call, {})}});
    }
    if (arguments.empty()) return;
    send("response.function_call_arguments.delta",
         {{"item_id", ResponseObjects::id_of(call)}, {"output_index", output_index}, {"delta", arguments}});
  }

  void send_text(std::string_view kind, const ordered_json& fields) {
    ordered_json all = {{"item_id", objects_.message_id()}, {"output_index", 0}, {"content_index", 0}};
    all.update(fields);
    send(kind, all);
  }

  void send(std::string_view kind, const ordered_json& fields) {
    ordered_json all = {{"type", kind}, {"sequence_number", n_sent_++}};
    all.update(fields);
    sse_.event(kind, all);
  }

  const RegistrySnapshot& members_;
  ResponseObjects objects_;
  SseWriter sse_;
  uint64_t n_sent_ = 0;
  bool has_begun_ = false, has_message_ = false;
  size_t n_calls_ = 0;  // that have begun
};

/// A message, a call, or what one came to.
void read_item(const json& item, const std::string& path, MessageList& list, std::optional<Error>& error) {
  Fields parts(item, path, error);
  const std::string type = parts.has("type") ? parts.text("type") : "message";
  if (type == "function_call") {
    const std::string id = parts.some_text("call_id"), name = parts.some_text("name");
    return list.add_call({id, name, parts.text("arguments")}, path);
  }
  const bool is_output = type == "function_call_output";
  if (!is_output && type != "message") return parts.fail("type", "message, function_call or function_call_output");
  const char* field = is_output ? "output" : "content";
  if (!parts.has(field)) parts.fail(field, "a text or a list of parts");
  if (error) return;
  std::string text = read_content(item.at(field), fmt::format("{}.{}", path, field), error);
  if (is_output) {
    list.add_result(parts.some_text("call_id"), {}, std::move(text), path + ".call_id");
  } else {
    list.add(parts.text("role"), std::move(text), path);
  }
}

/// A text, or a list of items.
void read_input(Fields& fields, const json& body, ChatCall& call, std::optional<Error>& error) {
  MessageList list;
  if (fields.has("instructions")) list.add("system", fields.text("instructions"), "instructions");
  const json input = fields.has("input") ? body.at("input") : json();
  if (input.is_string()) {
    list.add("user", input.get<std::string>(), "input");
  } else if (!input.is_array()) {
    fields.fail("input", "a text or a list of messages");
  }
  for (size_t i = 0; input.is_array() && i < input.size(); ++i)
    read_item(input[i], fmt::format("input[{}]", i), list, error);
  if (error) return;
  if (const Status complete = list.finish(call); !complete) error = complete.error();
}

}  // namespace

Result<ResponsesCall> parse_openai_response(std::string_view text) {
  SAIN_ASSIGN_OR_RETURN(const json body, parse_json_object(text));
  ResponsesCall asked;
  AnswerOptions& answer = asked.call.options.answer;
  std::optional<Error> error;
  Fields fields(body, "", error);
  if (fields.has("model")) asked.call.model = fields.some_text("model");
  read_input(fields, body, asked.call, error);
  if (fields.has("stream")) asked.is_stream = fields.flag("stream");
  if (fields.has("max_output_tokens"))
    answer.max_tokens =
        static_cast<uint32_t>(fields.count("max_output_tokens", std::numeric_limits<uint32_t>::max(), 1));
  answer.temperature = read_float(fields, "temperature", 0, 2);
  answer.top_p = read_float(fields, "top_p", 0, 1);
  refuse_unless(fields, body, "background", false);
  if (fields.has("text")) {
    Fields form = fields.object("text");
    if (form.has("format")) answer.form = read_format(form, "format", text, json::json_pointer("/text/format"));
  }
  answer.tools = read_tools(body, text, ToolShape::kResponses, error);
  if (answer.tools != nullptr && answer.form != nullptr) fields.fail("tools", "no text.format beside them");
  for (const char* name : {"previous_response_id", "conversation"})  // nothing is kept
    if (fields.has(name)) fields.fail(name, "the whole conversation in input");
  if (error) return *std::move(error);
  return asked;
}

Status answer_openai_response(const HttpRequest& request, ChatTeam& team, ResponseWriter& writer) {
  SAIN_ASSIGN_OR_RETURN(const ResponsesCall asked, parse_openai_response(request.body));
  const ChatCall call = nth_call(asked.call, 0);
  if (!asked.is_stream) {
    SAIN_ASSIGN_OR_RETURN(const ChatEnd end, run_call(team, call, {}, writer.left()));
    writer.send({.body = to_line(ResponseObjects(team.members()).complete(end)) + "\n"});
    return {};
  }
  ResponseStream stream(team.members(), writer);
  return stream_call(team, call, stream, writer.left());
}

}  // namespace sain::router
