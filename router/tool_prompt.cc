#include "router/tool_prompt.h"

#include <algorithm>

namespace sain::router {
namespace {

using nlohmann::ordered_json;

std::string line(const ordered_json& json) {
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

std::string description(const ToolSet& tools) {
  std::string text = "You can call these functions, each described by a line of JSON:\n";
  for (const auto& tool : tools.to_json()) text += line(tool["function"]) + "\n";
  return fmt::format(
      "{}\nTo call one, answer with its name and its arguments as JSON, between these tags and with nothing "
      "else:\n{}\n{{\"name\": \"...\", \"arguments\": {{...}}}}\n{}",
      text, kCallOpen, kCallClose);
}

void append(std::string& text, std::string_view more, std::string_view between) {
  if (!text.empty() && !more.empty()) text += between;
  text += more;
}

/// A message of the roles that every template knows.
Message plain(const Message& message) {
  if (message.role == "tool") return {"user", fmt::format("<tool_response>\n{}\n</tool_response>", message.content)};
  Message plain = {message.role, message.content};
  for (const ToolCall& call : message.calls)
    append(plain.content,
           fmt::format("{}\n{}\n{}", kCallOpen, line({{"name", call.name}, {"arguments", arguments_json(call)}}),
                       kCallClose),
           "\n");
  return plain;
}

}  // namespace

ordered_json arguments_json(const ToolCall& call) {
  ordered_json arguments = ordered_json::parse(call.arguments, nullptr, false);
  return arguments.is_object() ? arguments : ordered_json::object();
}

ordered_json template_messages(std::span<const Message> messages) {
  ordered_json list = ordered_json::array();
  for (const Message& message : messages) {
    ordered_json& item = list.emplace_back(ordered_json{{"role", message.role}, {"content", message.content}});
    for (const ToolCall& call : message.calls)
      item["tool_calls"].push_back({{"id", call.id},
                                    {"type", "function"},
                                    {"function", {{"name", call.name}, {"arguments", arguments_json(call)}}}});
    if (message.role != "tool") continue;
    item["tool_call_id"] = message.call_id;
    item["name"] = message.call_name;
  }
  return list;
}

std::vector<Message> plain_messages(std::span<const Message> messages, const ToolSet* tools) {
  std::vector<Message> list;
  if (tools != nullptr) list.push_back({"system", description(*tools)});
  for (const Message& message : messages) {
    Message next = plain(message);
    if (list.empty() || list.back().role != next.role) {
      list.push_back(std::move(next));
    } else if (next.role == "system") {
      list.back().content = fmt::format("{}\n\n{}", next.content, list.back().content);
    } else {
      append(list.back().content, next.content, "\n");
    }
  }
  return list;
}

}  // namespace sain::router
