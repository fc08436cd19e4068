#include "router/tool_set.h"

#include <algorithm>

#include "formats/json_schema.h"
#include "formats/json_schema/grammar_text.h"

namespace sain::router {
namespace {

using nlohmann::ordered_json;

/// `schema` as a part of a document where it is found at `place`: its references go there.
void move_references(ordered_json& schema, const std::string& place) {
  for (auto& [key, value] : schema.items()) {
    if (key == "$ref" && value.is_string() && value.get_ref<const std::string&>().starts_with('#')) {
      value = "#" + place + value.get<std::string>().substr(1);
    } else if (value.is_structured()) {
      move_references(value, place);
    }
  }
}

/// What is enforced of a function's parameters.
Result<ordered_json> kept_schema(const ToolSet::Function& function) {
  ordered_json schema = function.parameters;
  if (!schema.contains("type") && !schema.contains("$ref") && !schema.contains("anyOf")) schema["type"] = "object";
  const auto grammar = formats::json_schema_grammar(schema);
  if (grammar) return schema;
  if (function.is_strict)
    return make_error(grammar.error().code, "the parameters of {}: {}", function.name, grammar.error().message);
  return ordered_json{{"type", "object"}};
}

/// Rules of which `call` is any call, an object with the arguments under this name.
Result<std::string> call_rules(const ToolSet& tools, const char* arguments) {
  ordered_json calls = ordered_json::array();
  for (const ToolSet::Function& function : tools.functions) {
    if (std::ranges::find(tools.callable, function.name) == tools.callable.end()) continue;
    SAIN_ASSIGN_OR_RETURN(ordered_json schema, kept_schema(function));
    move_references(schema, fmt::format("/anyOf/{}/properties/{}", calls.size(), arguments));
    calls.push_back({{"type", "object"},
                     {"properties", {{"name", {{"const", function.name}}}, {arguments, std::move(schema)}}},
                     {"required", {"name", arguments}},
                     {"additionalProperties", false}});
  }
  SAIN_ASSIGN_OR_RETURN(std::string rules, formats::json_schema_grammar_text({{"anyOf", std::move(calls)}}));
  constexpr std::string_view kRoot = "root";
  SAIN_CHECK(rules.starts_with(kRoot));
  return rules.replace(0, kRoot.size(), "call");
}

/// Alternatives: beginnings of `word` with a character that is not its next one, and none of `others`.
std::string failed(std::string_view word, std::string_view others) {
  std::string list;
  for (size_t i = 0; i < word.size(); ++i)
    list += fmt::format("{}{} [^{}{}]", i == 0 ? "" : " | ", formats::literal(word.substr(0, i)), others, word[i]);
  return list;
}

/// Rules of text that is no call. `text` does not have kCallOpen in it, and `begun` is beginnings of that which come to
/// nothing: its first character is nowhere else in it, so after one that fails only that can begin another. `first` is
/// what a text may begin with, which is not that of a call without its tag. (The others of JSON may be.)
std::string text_rules() {
  const std::string_view rest = kCallOpen.substr(1);
  std::string begun;
  for (size_t i = 1; i < kCallOpen.size(); ++i)
    begun += fmt::format("{}{}", i == 1 ? "" : " | ", formats::literal(kCallOpen.substr(0, i)));
  return fmt::format(
      "text ::= ([^<] | other)*\n"
      "other ::= begun* \"<\" ({})\n"
      "begun ::= {}\n"
      "first ::= [^<{{ \\t\\r\\n] | other | \"{{\" blank* (\"}}\" | \"\\\"\" ({}))\n"
      "blank ::= [ \\t\\r\\n]\n",
      failed(rest, "<"), begun, failed("name\"", ""));
}

std::string root_rule(const ToolSet& tools, ToolStyle style) {
  if (tools.callable.empty()) return "root ::= blank* (first text)? begun*\n" + text_rules();
  const uint32_t others = tools.most_calls - 1;
  if (style == ToolStyle::kObject) return "root ::= call\n";
  if (style == ToolStyle::kList) return fmt::format("root ::= \"[\" call (\", \" call){{0,{}}} \"]\"\n", others);
  const std::string calls =
      fmt::format("calls ::= tagged (\"\\n\" tagged){{0,{}}}\ntagged ::= \"{}\\n\" call \"\\n{}\"\n", others, kCallOpen,
                  kCallClose);
  if (tools.use == ToolUse::kMustCall) return "root ::= calls\n" + calls;
  return fmt::format("root ::= blank* (bare | (first text)? begun* calls?)\nbare ::= call (\"\\n\" call){{0,{}}}\n",
                     others) +
         calls + text_rules();
}

}  // namespace

ToolStyle tool_style(const formats::ChatTemplate* chat) {
  if (chat == nullptr || !chat->mentions("tools")) return ToolStyle::kGeneric;
  if (chat->mentions(kCallOpen) && !chat->mentions("<function=")) return ToolStyle::kTagged;
  if (chat->mentions("[TOOL_CALLS]")) return ToolStyle::kList;
  if (chat->mentions("\"parameters\": ")) return ToolStyle::kObject;
  return ToolStyle::kGeneric;
}

ordered_json ToolSet::to_json() const {
  ordered_json list = ordered_json::array();
  for (const Function& function : functions)
    list.push_back(
        {{"type", "function"},
         {"function",
          {{"name", function.name}, {"description", function.description}, {"parameters", function.parameters}}}});
  return list;
}

Result<std::shared_ptr<const AnswerForm>> call_form(const ToolSet& tools, ToolStyle style) {
  const bool is_tagged = style == ToolStyle::kTagged || style == ToolStyle::kGeneric;
  if (is_tagged && tools.tagged != nullptr) return tools.tagged;
  if (!is_tagged && tools.use == ToolUse::kMayCall) return std::shared_ptr<const AnswerForm>();
  std::string text = root_rule(tools, style);
  if (!tools.callable.empty()) {
    SAIN_ASSIGN_OR_RETURN(const std::string rules,
                          call_rules(tools, style == ToolStyle::kObject ? "parameters" : "arguments"));
    text += rules;
  }
  SAIN_ASSIGN_OR_RETURN(formats::Grammar grammar, formats::Grammar::parse(text));
  return std::make_shared<const AnswerForm>(AnswerForm{std::move(grammar), std::move(text)});
}

}  // namespace sain::router
