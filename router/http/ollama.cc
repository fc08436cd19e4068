#include "router/http/ollama.h"

#include <fmt/chrono.h>

#include <ctime>
#include <limits>
#include <utility>

#include "router/http/api_error.h"
#include "router/http/form_field.h"
#include "router/http/json_body.h"
#include "router/http/tool_fields.h"
#include "router/protocol/message.h"
#include "router/tool_prompt.h"

namespace sain::router {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr size_t kMostStopStrings = 16;
constexpr const char* kVersion = "0.1.0";  // of SAIN

std::string now() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

uint64_t nanoseconds(double ms) {
  return static_cast<uint64_t>(ms * 1e6);
}

/// The lines of an answer.
class Lines {
 public:
  Lines(OllamaUse use, const RegistrySnapshot& members, ResponseWriter& writer)
      : use_(use), members_(members), writer_(writer) {}

  ordered_json object(SpecialistId by, std::string_view text) const {
    ordered_json line = {{"model", members_.names[index(by)]}, {"created_at", now()}};
    if (use_ == OllamaUse::kChat) {
      line["message"] = {{"role", "assistant"}, {"content", text}};
    } else {
      line["response"] = text;
    }
    line["done"] = false;
    return line;
  }

  /// Calls, whose arguments are objects: whole ones only.
  ordered_json object(const ChatEnd& end, std::string_view text) const {
    ordered_json line = object(end.by, text);
    for (const ToolCall& call : end.calls)
      line["message"]["tool_calls"].push_back(
          {{"function", {{"name", call.name}, {"arguments", arguments_json(call)}}}});
    return line;
  }

  void write(const ordered_json& line) {
    if (!writer_.has_begun()) writer_.begin({.content_type = "application/x-ndjson"});
    writer_.write(to_line(line) + "\n");
  }

  static ordered_json last(const ChatEnd& end, ordered_json line) {
    line["done"] = true;
    line["done_reason"] = end.calls.empty() ? finish_word(end) : "stop";
    line["total_duration"] = nanoseconds(end.timings.total_ms);
    line["load_duration"] = nanoseconds(end.timings.load_ms);
    line["prompt_eval_count"] = end.prompt_tokens;
    line["eval_count"] = end.completion_tokens;
    line["eval_duration"] = nanoseconds(end.timings.total_ms - end.timings.first_token_ms);
    return line;
  }

 private:
  OllamaUse use_;
  const RegistrySnapshot& members_;
  ResponseWriter& writer_;
};

void read_options(Fields options, const json& body, AnswerOptions& answer) {
  answer.temperature = read_float(options, "temperature", 0, 10);
  answer.top_p = read_float(options, "top_p", 0, 1);
  answer.min_p = read_float(options, "min_p", 0, 1);
  answer.repetition_penalty = read_float(options, "repeat_penalty", 0.01, 10);
  answer.frequency_penalty = read_float(options, "frequency_penalty", -2, 2);
  answer.presence_penalty = read_float(options, "presence_penalty", -2, 2);
  if (options.has("top_k")) answer.top_k = static_cast<int>(options.count("top_k", 1 << 30));
  if (options.has("seed")) {
    if (!body.at("seed").is_number_integer()) return options.fail("seed", "a whole number");
    answer.seed = body.at("seed").get<uint64_t>();  // a negative one is another one
  }
  if (options.has("stop") && body.at("stop") != json::array())
    answer.stop_strings = read_texts(options, body, "stop", kMostStopStrings);
  if (!options.has("num_predict")) return;
  const uint32_t most = std::numeric_limits<uint32_t>::max();
  const bool is_endless = body.at("num_predict") == -1 || body.at("num_predict") == -2;
  answer.max_tokens = is_endless ? most : static_cast<uint32_t>(options.count("num_predict", most, 1));
}

void read_chat(Fields& fields, MessageList& list, std::optional<Error>& error) {
  const json* messages = fields.array("messages");
  size_t n_calls = 0;
  for (size_t i = 0; messages != nullptr && i < messages->size(); ++i) {
    const std::string path = fmt::format("messages[{}]", i);
    const json& message = (*messages)[i];
    Fields parts(message, path, error);
    const std::string role = parts.text("role");
    const json* calls = parts.has("tool_calls") && role == "assistant" && !message.at("tool_calls").is_null()
                            ? parts.array("tool_calls")
                            : nullptr;
    // A message that calls functions may have no text.
    std::string content = calls == nullptr || parts.has("content") ? parts.text("content") : std::string();
    if (!error) refuse_unless(parts, message, "images", json::array());
    if (role == "tool") {
      list.add_result({}, parts.has("tool_name") ? parts.text("tool_name") : "", std::move(content), path);
    } else {
      list.add(role, std::move(content), path);
    }
    for (size_t k = 0; calls != nullptr && k < calls->size(); ++k) {
      const std::string call_path = fmt::format("{}.tool_calls[{}]", path, k);
      Fields function = Fields((*calls)[k], call_path, error).object("function");
      const std::string name = function.some_text("name");
      function.object("arguments");
      // They have no ids: what they came to is told in their order.
      if (!error)
        list.add_call({fmt::format("call_{}", ++n_calls), name, (*calls)[k]["function"]["arguments"].dump()},
                      call_path);
    }
  }
}

void read_generate(Fields& fields, const json& body, MessageList& list, AnswerOptions& answer) {
  if (fields.has("raw")) answer.is_raw = fields.flag("raw");
  if (fields.has("system")) list.add("system", fields.text("system"), "system");
  list.add("user", fields.some_text("prompt"), "prompt");
  for (const char* name : {"suffix", "template"}) refuse_unless(fields, body, name, "");
  for (const char* name : {"images", "context"}) refuse_unless(fields, body, name, json::array());
}

}  // namespace

Result<OllamaCall> parse_ollama(std::string_view text, OllamaUse use) {
  SAIN_ASSIGN_OR_RETURN(const json body, parse_json_object(text));
  OllamaCall asked;
  AnswerOptions& answer = asked.call.options.answer;
  std::optional<Error> error;
  Fields fields(body, "", error);
  constexpr std::string_view kTag = ":latest";
  asked.call.model = fields.some_text("model");
  if (asked.call.model.ends_with(kTag)) asked.call.model.resize(asked.call.model.size() - kTag.size());
  if (fields.has("stream")) asked.is_stream = fields.flag("stream");
  MessageList list;
  if (use == OllamaUse::kChat) {
    read_chat(fields, list, error);
  } else {
    read_generate(fields, body, list, answer);
  }
  if (fields.has("options")) read_options(fields.object("options"), body.at("options"), answer);
  if (use == OllamaUse::kChat) answer.tools = read_tools(body, text, ToolShape::kChat, error);
  if (fields.has("format")) answer.form = read_ollama_format(fields, "format", text);
  if (answer.tools != nullptr && answer.form != nullptr) fields.fail("tools", "no format beside them");
  if (error) return *std::move(error);
  SAIN_RETURN_IF_ERROR(list.finish(asked.call));
  return asked;
}

Status answer_ollama(const HttpRequest& request, OllamaUse use, ChatTeam& team, ResponseWriter& writer) {
  SAIN_ASSIGN_OR_RETURN(const OllamaCall asked, parse_ollama(request.body, use));
  Lines lines(use, team.members(), writer);
  ChatListener listener;
  if (asked.is_stream)
    listener.on_text = [&lines](SpecialistId by, std::string_view text, const auto&) {
      lines.write(lines.object(by, text));
    };
  const auto end = run_call(team, nth_call(asked.call, 0), listener, writer.left());
  if (!end && !writer.has_begun()) return end.error();
  if (!end) {
    lines.write(ordered_json::parse(error_body(api_error(end.error()), ApiStyle::kOllama)));
  } else if (asked.is_stream) {
    if (!end->calls.empty()) lines.write(lines.object(*end, {}));
    lines.write(Lines::last(*end, lines.object(end->by, {})));
  } else {
    writer.send({.body = to_line(Lines::last(*end, lines.object(*end, end->text))) + "\n"});
  }
  return {};
}

Status answer_ollama_tags(const ChatTeam& team, ResponseWriter& writer) {
  std::vector<std::string> names = {"auto"};
  for (const std::string& name : team.members().present_names()) names.push_back(name);
  ordered_json models = ordered_json::array();
  for (const std::string& name : names)
    models.push_back({{"name", name + ":latest"},
                      {"model", name + ":latest"},
                      {"modified_at", now()},
                      {"size", 0},
                      {"digest", ""},
                      {"details", {{"format", "gguf"}, {"family", "sain"}}}});
  writer.send({.body = to_line({{"models", std::move(models)}}) + "\n"});
  return {};
}

Status answer_ollama_version(ResponseWriter& writer) {
  writer.send({.body = to_line({{"version", kVersion}}) + "\n"});
  return {};
}

}  // namespace sain::router
