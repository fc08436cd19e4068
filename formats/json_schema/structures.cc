// Arrays and objects of SchemaCompiler.
#include <algorithm>
#include <set>
#include <span>

#include "formats/gguf_text.h"
#include "formats/grammar.h"
#include "formats/jinja/unicode.h"
#include "formats/json_schema/compiler.h"

namespace sain::formats {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxExcluded = 128;  // bytes of a name that others must differ from

std::string key(const std::string& name) {
  return literal(Json(name).dump(-1, ' ', false, Json::error_handler_t::replace));
}

/// `items`, of which none or one may be empty, one after another.
std::string sequence(std::initializer_list<std::string_view> items) {
  std::string text;
  for (const std::string_view item : items) {
    if (item.empty()) continue;
    if (!text.empty()) text += ' ';
    text += item;
  }
  return text;
}

/// What may follow in a name that has begun like all of `names` (sorted, without their beginnings).
std::string rest_except(std::span<const std::string_view> names, GrammarText& grammar) {
  std::vector<std::string> ways;
  CodePointSet begins = {{0, 0x1F}, {'"', '"'}, {'\\', '\\'}};
  if (names.empty() || !names.front().empty()) ways.push_back(R"("\"")");
  for (size_t i = 0; i < names.size();) {
    if (names[i].empty()) {
      ++i;
      continue;
    }
    const jinja::CodePoint first = jinja::decode_at(names[i], 0);
    const std::string_view character = names[i].substr(0, first.n_bytes);
    std::vector<std::string_view> rests;
    for (; i < names.size() && names[i].starts_with(character); ++i) rests.push_back(names[i].substr(first.n_bytes));
    begins.add(first.value);
    ways.push_back(fmt::format("{} {}", literal(character), rest_except(rests, grammar)));
  }
  ways.push_back(bracketed(begins.complement()) + R"( plain* "\"")");
  return grammar.add(any_of(ways));
}

}  // namespace

std::string names_except(std::vector<std::string> names, GrammarText& grammar) {
  std::ranges::sort(names);
  // A name with a character that JSON escapes is none that can be written here.
  std::erase_if(names, [](const std::string& name) {
    return std::ranges::any_of(name, [](unsigned char c) { return c < ' ' || c == '"' || c == '\\'; });
  });
  const std::vector<std::string_view> views(names.begin(), names.end());
  return grammar.add(R"("\"" )" + rest_except(views, grammar));
}

SchemaCompiler::Expression SchemaCompiler::array(const Json& schema, const Place& place) {
  SAIN_ASSIGN_OR_RETURN(const std::optional<uint32_t> min_items, count(schema, "minItems", place));
  SAIN_ASSIGN_OR_RETURN(std::optional<uint32_t> most, count(schema, "maxItems", place));
  const uint32_t least = min_items.value_or(0);
  std::vector<std::string> first;
  if (schema.contains("prefixItems")) {
    const Json& prefix = schema["prefixItems"];
    const Place at = place.child("prefixItems");
    if (!prefix.is_array()) return fault(ErrorCode::kInvalidArgument, at, "expected a list of schemas");
    for (size_t i = 0; i < prefix.size(); ++i) {
      SAIN_ASSIGN_OR_RETURN(std::string item, visit(prefix[i], at.child(i)));
      first.push_back(std::move(item));
    }
  }
  const uint32_t n_first = static_cast<uint32_t>(first.size());
  std::string item = "value";
  if (schema.contains("items") && schema["items"] == false) {
    most = std::min(most.value_or(n_first), n_first);
  } else if (schema.contains("items")) {
    SAIN_ASSIGN_OR_RETURN(item, visit(schema["items"], place.child("items")));
  }
  if (least > most.value_or(least)) return fault(ErrorCode::kInvalidArgument, place, "no number of items fits");
  if (most == 0u) return R"("[]")";
  if (most && *most < n_first) first.resize(*most);

  // From the end: what may follow the items that came first, then each of those.
  const uint32_t n = static_cast<uint32_t>(first.size());
  std::string tail;
  if (!most || *most > n) {
    const std::string times = fmt::format("{{{},{}}}", least - std::min(least, std::max(n, 1u)),
                                          most ? std::to_string(*most - std::max(n, 1u)) : "");
    tail = fmt::format("(comma {}){}", item, times);
    if (n == 0) tail = fmt::format("{} {}", item, tail);
  }
  for (uint32_t i = n; i-- > 0;) {
    const std::string from_here = sequence({i > 0 ? "comma" : "", first[i], tail});
    tail = i == 0 ? from_here : i < least ? grammar_.add(from_here) : grammar_.add(from_here) + '?';
  }
  return grammar_.add(fmt::format(R"("[" ws ({} ws){} "]")", tail, least > 0 ? "" : "?"));
}

SchemaCompiler::Expression SchemaCompiler::object(const Json& schema, const Place& place) {
  Json properties = schema.value("properties", Json::object());
  const Json required = schema.value("required", Json::array());
  if (!properties.is_object()) {
    return fault(ErrorCode::kInvalidArgument, place.child("properties"), "expected an object of schemas");
  }
  if (!required.is_array() || !std::ranges::all_of(required, [](const Json& name) { return name.is_string(); })) {
    return fault(ErrorCode::kInvalidArgument, place.child("required"), "expected a list of names");
  }
  std::set<std::string> needed;
  for (const Json& name : required) {
    needed.insert(name.get<std::string>());
    if (!properties.contains(name.get<std::string>())) properties[name.get<std::string>()] = true;
  }
  SAIN_ASSIGN_OR_RETURN(const std::string others, other_properties(schema, properties, place));

  struct Member {
    std::string text;
    bool is_needed;
  };
  std::vector<Member> members;
  for (const auto& [name, property] : properties.items()) {
    if (property == false && !needed.contains(name)) continue;
    SAIN_ASSIGN_OR_RETURN(const std::string value, visit(property, place.child("properties").child(name)));
    members.push_back({fmt::format("{} colon {}", key(name), value), needed.contains(name)});
  }

  // From the end: `tail` is what may follow a member, `ways` how the first one that is there may go on.
  std::string tail = others.empty() ? "" : fmt::format("(comma {})*", others);
  std::vector<std::string> ways;
  if (!others.empty()) ways.push_back(sequence({others, tail}));
  for (size_t i = members.size(); i-- > 0;) {
    if (members[i].is_needed) ways.clear();
    ways.insert(ways.begin(), sequence({members[i].text, tail}));
    const std::string here = fmt::format("comma {}", members[i].text);
    tail = grammar_.add(sequence({members[i].is_needed ? here : fmt::format("({})?", here), tail}));
  }
  if (ways.empty()) return R"("{}")";
  return grammar_.add(fmt::format(R"("{{" ws ({} ws){} "}}")", any_of(ways), needed.empty() ? "?" : ""));
}

/// A member that is not declared; empty where there is none.
SchemaCompiler::Expression SchemaCompiler::other_properties(const Json& schema, const Json& declared,
                                                            const Place& place) {
  const auto given = schema.find("additionalProperties");
  if (given == schema.end() ? !declared.empty() : *given == false) return "";
  std::string value = "value";
  if (given != schema.end()) {
    SAIN_ASSIGN_OR_RETURN(value, visit(*given, place.child("additionalProperties")));
  }
  std::vector<std::string> names;
  for (const auto& [name, property] : declared.items()) {
    names.push_back(name);
    if (name.size() <= kMaxExcluded) continue;
    return fault(ErrorCode::kUnsupported, place,
                 fmt::format("'additionalProperties' beside names of more than {} bytes", kMaxExcluded));
  }
  return fmt::format("{} colon {}", names.empty() ? "string" : names_except(std::move(names), grammar_), value);
}

}  // namespace sain::formats
