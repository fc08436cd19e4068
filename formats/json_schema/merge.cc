#include "formats/json_schema/merge.h"

#include <algorithm>
#include <array>

namespace sain::formats {
namespace {

using Json = nlohmann::ordered_json;

Json as_list(const Json& value) {
  return value.is_array() ? value : Json::array({value});
}

/// What stands in both lists; an integer is a number too.
Json common(const Json& a, const Json& b) {
  const auto has = [](const Json& list, const Json& value) { return std::ranges::count(list, value) > 0; };
  Json both = Json::array();
  for (const Json& value : a) {
    if (has(b, value) || (value == "integer" && has(b, "number"))) both.push_back(value);
  }
  if (has(b, "integer") && has(a, "number") && !has(a, "integer")) both.push_back("integer");
  return both;
}

/// Whether `other` declares properties that are additional ones to `schema`, and limited by it.
bool has_others(const Json& schema, const Json& other) {
  if (schema.value("additionalProperties", Json(true)) == true) return false;
  const Json own = schema.value("properties", Json::object()), theirs = other.value("properties", Json::object());
  return !own.is_object() || std::ranges::any_of(theirs.items(), [&](const auto& p) { return !own.contains(p.key()); });
}

void merge_properties(Json& properties, const Json& others) {
  for (const auto& [name, schema] : others.items()) {
    if (!properties.contains(name)) {
      properties[name] = schema;
    } else if (properties[name] != schema) {
      properties[name] = {{"allOf", Json::array({properties[name], schema})}};
    }
  }
}

}  // namespace

bool is_annotation(std::string_view keyword) {
  constexpr std::array<std::string_view, 15> kAnnotations = {
      "title",   "description", "default", "example",  "examples", "deprecated", "readOnly",   "writeOnly",
      "$schema", "$id",         "id",      "$comment", "$anchor",  "$defs",      "definitions"};
  return std::ranges::count(kAnnotations, keyword) > 0;
}

Status merge_into(Json& schema, const Json& other) {
  if (has_others(schema, other) || has_others(other, schema)) {
    return make_error(ErrorCode::kUnsupported, "'additionalProperties' beside schemas with other properties");
  }
  for (const auto& [keyword, value] : other.items()) {
    if (is_annotation(keyword)) continue;
    if (!schema.contains(keyword)) {
      schema[keyword] = value;
      continue;
    }
    Json& own = schema[keyword];
    if (own == value) continue;
    if (keyword == "properties" && own.is_object() && value.is_object()) {
      merge_properties(own, value);
    } else if (keyword == "required" && own.is_array() && value.is_array()) {
      own.insert(own.end(), value.begin(), value.end());
    } else if (keyword == "type" || keyword == "enum") {
      own = common(as_list(own), as_list(value));
      if (own.empty()) {
        return make_error(ErrorCode::kInvalidArgument, "'{}': nothing fits all of these schemas", keyword);
      }
    } else if (own.is_number() && value.is_number() && keyword.starts_with("m") && keyword != "multipleOf") {
      own = keyword.starts_with("min") ? std::max(own, value) : std::min(own, value);
    } else {
      return make_error(ErrorCode::kUnsupported, "'{}' differs between schemas that all must fit", keyword);
    }
  }
  return {};
}

}  // namespace sain::formats
