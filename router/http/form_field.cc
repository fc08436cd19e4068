#include "router/http/form_field.h"

#include "formats/json_schema.h"

namespace sain::router {
namespace {

using nlohmann::ordered_json;

std::shared_ptr<const AnswerForm> any_object() {
  return std::make_shared<const AnswerForm>(AnswerForm{formats::json_object_grammar(), "json_object"});
}

std::shared_ptr<const AnswerForm> read_schema(Fields& parent, const char* name, const ordered_json& schema) {
  auto grammar = formats::json_schema_grammar(schema);
  if (grammar) return std::make_shared<const AnswerForm>(AnswerForm{*std::move(grammar), schema.dump()});
  parent.fail(name, "a schema that can be kept: " + grammar.error().message);
  return nullptr;
}

}  // namespace

std::shared_ptr<const AnswerForm> read_format(Fields& parent, const char* name, std::string_view body,
                                              const nlohmann::json::json_pointer& pointer) {
  Fields format = parent.object(name);
  const std::string type = format.text("type");
  if (type == "json_object") return any_object();
  if (type == "json_schema") {
    // Read anew, in the order in which it was written.
    const ordered_json written = ordered_json::parse(body).at(ordered_json::json_pointer(pointer.to_string()));
    for (const ordered_json* holder : {&written, written.contains("json_schema") ? &written["json_schema"] : nullptr})
      if (holder != nullptr && holder->contains("schema")) return read_schema(parent, name, holder->at("schema"));
    format.fail("schema", "a JSON schema");
  } else if (type != "text") {
    format.fail("type", "text, json_object or json_schema");
  }
  return nullptr;
}

std::shared_ptr<const AnswerForm> read_ollama_format(Fields& parent, const char* name, std::string_view body) {
  const ordered_json format = ordered_json::parse(body).at(name);
  if (format == "") return nullptr;
  if (format == "json") return any_object();
  if (format.is_object()) return read_schema(parent, name, format);
  parent.fail(name, "json or a JSON schema");
  return nullptr;
}

std::shared_ptr<const AnswerForm> read_grammar(Fields& parent, const char* name) {
  const std::string text = parent.text(name);
  if (text.empty()) return nullptr;
  auto grammar = formats::Grammar::parse(text);
  if (grammar) return std::make_shared<const AnswerForm>(AnswerForm{*std::move(grammar), text});
  parent.fail(name, "a grammar: " + grammar.error().message);
  return nullptr;
}

}  // namespace sain::router
