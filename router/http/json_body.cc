#include "router/http/json_body.h"

#include <algorithm>

namespace sain::router {
namespace {

using nlohmann::json;

/// Of arrays and objects in each other, as the brackets outside texts say. The parser has still to tell whether it is
/// JSON at all, and would need memory in the measure of this.
size_t depth_of(std::string_view text) {
  size_t depth = 0, deepest = 0;
  bool in_text = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_text) {
      if (c == '\\') ++i;
      in_text = c != '"';
    } else if (c == '"') {
      in_text = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return deepest;
}

}  // namespace

Result<json> parse_json_object(std::string_view text) {
  if (depth_of(text) > kMaxJsonDepth)
    return make_error(ErrorCode::kInvalidArgument, "the body: expected JSON at most {} deep, found more",
                      kMaxJsonDepth);
  json body;
  try {
    body = json::parse(text);
  } catch (const json::exception& error) {
    const std::string_view message = error.what();  // "[json.exception.parse_error.101] parse error at ..."
    const size_t end = message.find("] ");
    return make_error(ErrorCode::kInvalidArgument, "the body is not JSON: {}",
                      end == std::string_view::npos ? message : message.substr(end + 2));
  }
  if (!body.is_object()) return make_error(ErrorCode::kInvalidArgument, "the body: expected a JSON object");
  for (auto it = body.begin(); it != body.end();) it = it->is_null() ? body.erase(it) : std::next(it);
  return body;
}

std::string read_content(const json& content, const std::string& path, std::optional<Error>& error) {
  if (content.is_null()) return {};
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) {
    if (!error) error = make_error(ErrorCode::kInvalidArgument, "{}: expected a text or a list of parts", path);
    return {};
  }
  std::string text;
  for (size_t i = 0; i < content.size(); ++i) {
    Fields part(content[i], fmt::format("{}[{}]", path, i), error);
    const std::string type = part.text("type");
    if (type != "text" && type != "input_text" && type != "output_text") part.fail("type", "text");
    text += part.text("text");
  }
  return text;
}

std::optional<float> read_float(Fields& fields, const char* name, double low, double high) {
  if (!fields.has(name)) return std::nullopt;
  return static_cast<float>(fields.number(name, low, high));
}

void refuse_unless(Fields& fields, const json& object, const char* name, const json& accepted) {
  if (object.contains(name) && object.at(name) != accepted)
    fields.fail(name, fmt::format("{}, the only one that is supported", accepted.dump()));
}

std::vector<std::string> read_texts(Fields& fields, const json& object, const char* name, size_t most) {
  const json& value = object.at(name);
  const std::string expected = fmt::format("a text or a list of 1 to {} texts, none empty", most);
  const json list = value.is_string() ? json::array({value}) : value;
  std::vector<std::string> texts;
  if (!list.is_array() || list.empty() || list.size() > most) {
    fields.fail(name, expected);
    return texts;
  }
  for (const json& item : list) {
    if (!item.is_string() || item.get_ref<const std::string&>().empty()) {
      fields.fail(name, expected);
      return {};
    }
    texts.push_back(item.get<std::string>());
  }
  return texts;
}

}  // namespace sain::router
