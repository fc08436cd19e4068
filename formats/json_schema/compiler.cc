#include "formats/json_schema/compiler.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "formats/gguf_text.h"
#include "formats/grammar.h"
#include "formats/json_schema/merge.h"

namespace sain::formats {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxDepth = 100;      // of schemas in each other, references followed
constexpr size_t kMaxValues = 20'000;  // of JSON in the document
constexpr size_t kMaxVisits = 20'000;  // of schemas
constexpr size_t kMergeVisits = 20;    // that putting schemas together counts as, for it copies them

constexpr std::array<std::string_view, 23> kKeywords = {"type",
                                                        "properties",
                                                        "required",
                                                        "additionalProperties",
                                                        "items",
                                                        "prefixItems",
                                                        "minItems",
                                                        "maxItems",
                                                        "enum",
                                                        "const",
                                                        "minLength",
                                                        "maxLength",
                                                        "pattern",
                                                        "format",
                                                        "minimum",
                                                        "maximum",
                                                        "exclusiveMinimum",
                                                        "exclusiveMaximum",
                                                        "anyOf",
                                                        "oneOf",
                                                        "allOf",
                                                        "$ref",
                                                        "nullable"};

std::string dumped(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// A schema's keywords without some of them and those that only describe.
Json without(const Json& schema, std::initializer_list<std::string_view> left_out) {
  Json rest = Json::object();
  for (const auto& [keyword, value] : schema.items()) {
    if (!is_annotation(keyword) && std::ranges::count(left_out, keyword) == 0) rest[keyword] = value;
  }
  return rest;
}

bool has_type(const Json& value, std::string_view type) {
  if (type == "null") return value.is_null();
  if (type == "boolean") return value.is_boolean();
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  if (type == "string") return value.is_string();
  if (type == "array") return value.is_array();
  return type == "object" && value.is_object();
}

/// The type that a schema without one is about.
std::string_view implied_type(const Json& schema) {
  constexpr std::pair<std::string_view, std::string_view> kTypes[] = {
      {"properties", "object"}, {"required", "object"},         {"additionalProperties", "object"},
      {"items", "array"},       {"prefixItems", "array"},       {"minItems", "array"},
      {"maxItems", "array"},    {"minLength", "string"},        {"maxLength", "string"},
      {"pattern", "string"},    {"format", "string"},           {"minimum", "number"},
      {"maximum", "number"},    {"exclusiveMinimum", "number"}, {"exclusiveMaximum", "number"}};
  for (const auto& [keyword, type] : kTypes) {
    if (schema.contains(keyword)) return type;
  }
  return "";
}

}  // namespace

SchemaCompiler::Place SchemaCompiler::Place::child(std::string_view key) const {
  std::string next = pointer + '/';
  for (const char c : key) next += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  return {std::move(next), depth + 1};
}

Error SchemaCompiler::fault(ErrorCode code, const Place& place, std::string_view message) {
  return make_error(code, "schema at {}: {}", quote(place.pointer, 200), message);
}

Result<std::string> SchemaCompiler::compile() {
  SAIN_RETURN_IF_ERROR(check_size());
  SAIN_ASSIGN_OR_RETURN(const std::string root, reference({{"$ref", "#"}}, {}));
  return grammar_.finish(root);
}

/// Looks at all of the document without recursion, so that everything else may recurse.
Status SchemaCompiler::check_size() const {
  std::vector<std::pair<const Json*, size_t>> open = {{root_, 0}};
  for (size_t n_values = 0; !open.empty(); ++n_values) {
    const auto [value, depth] = open.back();
    open.pop_back();
    if (depth > 2 * kMaxDepth || n_values + open.size() > kMaxValues) {
      return make_error(ErrorCode::kResourceExhausted, "schema: expected at most {} values, {} deep, found more",
                        kMaxValues, 2 * kMaxDepth);
    }
    if (!value->is_structured()) continue;
    for (const Json& element : *value) open.emplace_back(&element, depth + 1);
  }
  return {};
}

Status SchemaCompiler::check_keywords(const Json& schema, const Place& place) const {
  for (const auto& [keyword, value] : schema.items()) {
    if (is_annotation(keyword) || std::ranges::count(kKeywords, keyword) > 0) continue;
    if (keyword == "uniqueItems" && value == false) continue;
    return fault(ErrorCode::kUnsupported, place, fmt::format("the keyword {} is not supported", quote(keyword)));
  }
  return {};
}

SchemaCompiler::Expression SchemaCompiler::visit(const Json& schema, const Place& place) {
  if (place.depth > kMaxDepth || ++n_visits_ > kMaxVisits || grammar_.size() > Grammar::kMaxText) {
    return fault(ErrorCode::kResourceExhausted, place, "the schema is too deep or too large");
  }
  if (schema == true) return "value";
  if (schema == false) return fault(ErrorCode::kInvalidArgument, place, "nothing fits the schema 'false'");
  if (!schema.is_object()) {
    return fault(ErrorCode::kInvalidArgument, place,
                 fmt::format("expected a schema, found a JSON {}", schema.type_name()));
  }
  SAIN_RETURN_IF_ERROR(check_keywords(schema, place));
  if (schema.value("nullable", Json()) == true) {
    SAIN_ASSIGN_OR_RETURN(const std::string rest, visit(without(schema, {"nullable"}), place));
    return any_of({rest, "\"null\""});
  }
  if (schema.contains("$ref")) {
    const Json rest = without(schema, {"$ref"});
    if (rest.empty()) return reference(schema, place);
    return merged(rest, Json::array({{{"$ref", schema["$ref"]}}}), place);
  }
  if (schema.contains("allOf")) return merged(without(schema, {"allOf"}), schema["allOf"], place.child("allOf"));
  if (schema.contains("anyOf")) return branches(schema, "anyOf", place);
  if (schema.contains("oneOf")) return branches(schema, "oneOf", place);
  if (schema.contains("const")) return values(Json::array({schema["const"]}), schema, place.child("const"));
  if (schema.contains("enum")) return values(schema["enum"], schema, place.child("enum"));
  return of_types(schema, place);
}

SchemaCompiler::Expression SchemaCompiler::reference(const Json& schema, const Place& place) {
  const Json& target = schema["$ref"];
  if (!target.is_string()) return fault(ErrorCode::kInvalidArgument, place.child("$ref"), "expected a string");
  const std::string& name = target.get_ref<const std::string&>();
  if (const auto known = references_.find(name); known != references_.end()) return known->second;
  SAIN_ASSIGN_OR_RETURN(const Json* found, find(name, place.child("$ref")));
  const std::string rule = grammar_.reserve();
  references_.emplace(name, rule);
  SAIN_ASSIGN_OR_RETURN(const std::string body, visit(*found, {name.substr(1), place.depth + 1}));
  grammar_.define(rule, body);
  return rule;
}

/// What a reference within the document points to.
Result<const Json*> SchemaCompiler::find(std::string_view reference, const Place& place) const {
  if (!reference.starts_with('#') || (reference.size() > 1 && reference[1] != '/')) {
    return fault(ErrorCode::kUnsupported, place,
                 fmt::format("expected a JSON pointer into the schema, as '#/$defs/name', found {}", quote(reference)));
  }
  const Json* found = root_;
  for (std::string_view rest = reference.substr(1); !rest.empty();) {
    const std::string_view key = rest.substr(1, rest.substr(1).find('/'));
    rest.remove_prefix(1 + key.size());
    std::string name;
    for (size_t i = 0; i < key.size(); ++i) {
      const std::string_view escape = key.substr(i, 2);
      name += escape == "~0" ? '~' : escape == "~1" ? '/' : key[i];
      i += escape == "~0" || escape == "~1";
    }
    const Json* next = nullptr;
    if (found->is_object() && found->contains(name)) next = &(*found)[name];
    size_t index = 0;
    const auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), index);
    const bool is_index = failure == std::errc() && end == name.data() + name.size();
    if (found->is_array() && is_index && index < found->size()) next = &(*found)[index];
    if (next == nullptr) {
      return fault(ErrorCode::kInvalidArgument, place, fmt::format("{} is not in the schema", quote(reference)));
    }
    found = next;
  }
  return found;
}

/// The schema that fits `base` and all of `others`.
SchemaCompiler::Expression SchemaCompiler::merged(Json base, const Json& others, const Place& place) {
  if (!others.is_array() || others.empty()) {
    return fault(ErrorCode::kInvalidArgument, place, "expected a list of schemas");
  }
  n_visits_ += kMergeVisits * others.size();
  for (size_t i = 0; i < others.size(); ++i) {
    SAIN_ASSIGN_OR_RETURN(const Json other, resolved(others[i], place.child(i)));
    if (const Status status = merge_into(base, other); !status) {
      return fault(status.error().code, place.child(i), status.error().message);
    }
  }
  return visit(base, {place.pointer, place.depth + 1});
}

/// `schema`, or where it is nothing but a reference what that leads to.
Result<Json> SchemaCompiler::resolved(const Json& schema, const Place& place) {
  const Json* found = &schema;
  for (size_t i = 0; found->is_object() && found->contains("$ref") && without(*found, {"$ref"}).empty(); ++i) {
    const Json& target = (*found)["$ref"];
    if (i == kMaxDepth || !target.is_string()) {
      return fault(ErrorCode::kInvalidArgument, place, "expected a $ref that leads to a schema");
    }
    SAIN_ASSIGN_OR_RETURN(found, find(target.get_ref<const std::string&>(), place));
  }
  if (*found == true) return Json::object();
  if (!found->is_object()) return fault(ErrorCode::kInvalidArgument, place, "expected a schema");
  SAIN_RETURN_IF_ERROR(check_keywords(*found, place));
  if (found->contains("$ref") || found->contains("nullable")) {
    return fault(ErrorCode::kUnsupported, place, "'$ref' beside others or 'nullable' in schemas that all must fit");
  }
  return without(*found, {});
}

/// anyOf or oneOf; what stands beside them must fit as well.
SchemaCompiler::Expression SchemaCompiler::branches(const Json& schema, std::string_view keyword, const Place& place) {
  const Json& list = schema[std::string(keyword)];
  const Place at = place.child(keyword);
  if (!list.is_array() || list.empty()) return fault(ErrorCode::kInvalidArgument, at, "expected a list of schemas");
  const Json base = without(schema, {keyword});
  std::vector<std::string> found;
  for (size_t i = 0; i < list.size(); ++i) {
    Expression one = base.empty() ? visit(list[i], at.child(i)) : merged(base, Json::array({list[i]}), at.child(i));
    if (!one) return one;
    found.push_back(*std::move(one));
  }
  return grammar_.add(any_of(found));
}

/// Of a list of JSON values those that have the schema's type.
SchemaCompiler::Expression SchemaCompiler::values(const Json& list, const Json& schema, const Place& place) {
  if (!list.is_array()) return fault(ErrorCode::kInvalidArgument, place, "expected a list");
  for (const auto& [keyword, value] : schema.items()) {
    if (is_annotation(keyword) || keyword == "type" || keyword == "enum" || keyword == "const") continue;
    return fault(ErrorCode::kUnsupported, place, fmt::format("{} beside it is not supported", quote(keyword)));
  }
  if (schema.contains("enum") && schema.contains("const") && std::ranges::count(schema["enum"], list[0]) == 0) {
    return fault(ErrorCode::kInvalidArgument, place, "nothing fits 'const' and 'enum'");
  }
  const Json types = schema.contains("type") ? schema["type"] : Json();
  const auto fits = [&](const Json& value) {
    if (types.is_null()) return true;
    const auto is_of = [&](const Json& type) { return type.is_string() && has_type(value, type.get<std::string>()); };
    return types.is_array() ? std::ranges::any_of(types, is_of) : is_of(types);
  };
  std::vector<std::string> found;
  for (const Json& value : list) {
    if (fits(value)) found.push_back(literal(dumped(value)));
  }
  if (found.empty()) return fault(ErrorCode::kInvalidArgument, place, "expected at least one value of the type");
  return grammar_.add(any_of(found));
}

SchemaCompiler::Expression SchemaCompiler::of_types(const Json& schema, const Place& place) {
  if (!schema.contains("type")) {
    const std::string_view type = implied_type(schema);
    return type.empty() ? Expression("value") : of_type(type, schema, place);
  }
  const Json& type = schema["type"];
  if (type.is_string()) return of_type(type.get<std::string>(), schema, place);
  if (!type.is_array() || type.empty()) {
    return fault(ErrorCode::kInvalidArgument, place.child("type"), "expected the name of a type, or several");
  }
  std::vector<std::string> found;
  for (const Json& one : type) {
    if (!one.is_string()) return fault(ErrorCode::kInvalidArgument, place.child("type"), "expected names of types");
    Expression expression = of_type(one.get<std::string>(), schema, place);
    if (!expression) return expression;
    found.push_back(*std::move(expression));
  }
  return grammar_.add(any_of(found));
}

SchemaCompiler::Expression SchemaCompiler::of_type(std::string_view type, const Json& schema, const Place& place) {
  if (type == "object") return object(schema, place);
  if (type == "array") return array(schema, place);
  if (type == "string") return string(schema, place);
  if (type == "integer") return integer(schema, place);
  if (type == "number") return number(schema, place);
  if (type == "boolean") return "boolean";
  if (type == "null") return "\"null\"";
  return fault(ErrorCode::kInvalidArgument, place.child("type"), fmt::format("there is no type {}", quote(type)));
}

}  // namespace sain::formats
