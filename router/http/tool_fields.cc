#include "router/http/tool_fields.h"

#include <algorithm>

#include "router/protocol/fields.h"

namespace sain::router {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr size_t kMostNameBytes = 64;

bool is_name(std::string_view name) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
  };
  return !name.empty() && name.size() <= kMostNameBytes && std::ranges::all_of(name, is_allowed);
}

/// Clients send null for what they do not say.
bool is_said(const json& object, const char* name) {
  return object.is_object() && object.contains(name) && !object.at(name).is_null();
}

/// `function` is where its fields are; `written` the same, in the order it was written.
ToolSet::Function read_function(Fields function, const json& fields, const ordered_json& written, ToolShape shape) {
  ToolSet::Function read = {.name = function.text("name")};
  if (!is_name(read.name)) function.fail("name", fmt::format("1 to {} letters, digits, _, - or .", kMostNameBytes));
  if (is_said(fields, "description")) read.description = function.text("description");
  if (is_said(fields, "strict")) read.is_strict = function.flag("strict");
  const char* parameters = shape == ToolShape::kAnthropic ? "input_schema" : "parameters";
  if (!is_said(fields, parameters)) {
    if (shape == ToolShape::kAnthropic) function.fail(parameters, "a JSON schema");
  } else if (!fields.at(parameters).is_object()) {
    function.fail(parameters, "a JSON schema");
  } else {
    read.parameters = written.at(parameters);
  }
  return read;
}

void read_list(Fields& fields, const json& list, const ordered_json& written, ToolShape shape, ToolSet& tools,
               std::optional<Error>& error) {
  if (list.size() > ToolSet::kMostFunctions)
    return fields.fail("tools", fmt::format("at most {} functions", ToolSet::kMostFunctions));
  for (size_t i = 0; i < list.size() && !error; ++i) {
    Fields tool(list[i], fmt::format("tools[{}]", i), error);
    if (shape == ToolShape::kAnthropic) {
      if (is_said(list[i], "type") && tool.text("type") != "custom") tool.fail("type", "custom");
    } else if (tool.text("type") != "function") {
      tool.fail("type", "function");
    }
    if (error) return;
    const bool is_nested = shape == ToolShape::kChat;
    Fields function = is_nested ? tool.object("function") : tool;
    if (error) return;
    ToolSet::Function read = read_function(function, is_nested ? list[i]["function"] : list[i],
                                           is_nested ? written[i]["function"] : written[i], shape);
    if (std::ranges::find(tools.callable, read.name) != tools.callable.end())
      function.fail("name", "a name that no other function has");
    tools.callable.push_back(read.name);
    tools.functions.push_back(std::move(read));
  }
}

enum class Choice { kNone, kMay, kMust };

/// "auto" and the like; "tool" with the name in `name`.
Choice read_choice(Fields& fields, const json& body, ToolShape shape, std::string& name) {
  const json& choice = body.at("tool_choice");
  const bool is_anthropic = shape == ToolShape::kAnthropic;
  const char* must = is_anthropic ? "any" : "required";
  std::string kind;
  if (choice.is_object()) {
    Fields own = fields.object("tool_choice");
    kind = own.text("type");
    if (kind == (is_anthropic ? "tool" : "function")) {
      name = shape == ToolShape::kChat ? own.object("function").some_text("name") : own.some_text("name");
      return Choice::kMust;
    }
  } else if (!is_anthropic) {
    kind = fields.text("tool_choice");
  }
  if (kind == must) return Choice::kMust;
  if (kind != "auto" && kind != "none")
    fields.fail("tool_choice", fmt::format("auto, none, {} or the name of a function, in an object", must));
  return kind == "none" ? Choice::kNone : Choice::kMay;
}

bool may_be_several(Fields& fields, const json& body, ToolShape shape) {
  if (shape != ToolShape::kAnthropic) return !fields.has("parallel_tool_calls") || fields.flag("parallel_tool_calls");
  const bool is_said_here =
      body.contains("tool_choice") && is_said(body.at("tool_choice"), "disable_parallel_tool_use");
  return !is_said_here || !fields.object("tool_choice").flag("disable_parallel_tool_use");
}

}  // namespace

std::shared_ptr<const ToolSet> read_tools(const json& body, std::string_view text, ToolShape shape,
                                          std::optional<Error>& error) {
  Fields fields(body, "", error);
  ToolSet tools;
  if (const json* list = fields.has("tools") ? fields.array("tools") : nullptr; list != nullptr && !list->empty())
    read_list(fields, *list, ordered_json::parse(text).at("tools"), shape, tools, error);
  std::string name;
  const Choice choice = fields.has("tool_choice") ? read_choice(fields, body, shape, name) : Choice::kMay;
  if (!may_be_several(fields, body, shape) || !name.empty()) tools.most_calls = 1;
  if (choice == Choice::kMust) {
    tools.use = ToolUse::kMustCall;
    if (tools.functions.empty()) fields.fail("tool_choice", "tools beside it");
    if (!name.empty() && std::ranges::find(tools.callable, name) == tools.callable.end())
      fields.fail("tool_choice", "the name of one of the tools");
    if (!name.empty()) tools.callable = {name};
  }
  if (error || tools.functions.empty()) return nullptr;
  if (choice == Choice::kNone) tools.callable.clear();
  auto form = call_form(tools, ToolStyle::kTagged);
  if (form) {
    tools.tagged = *std::move(form);
    return std::make_shared<const ToolSet>(std::move(tools));
  }
  fields.fail("tools", "schemas that can be kept: " + form.error().message);
  return nullptr;
}

}  // namespace sain::router
