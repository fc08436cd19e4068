#include "router/protocol/fields.h"

#include "formats/utf8.h"

namespace sain::router {

using nlohmann::json;

namespace {

/// For people, short and in ASCII: the type of arrays and objects, the beginning of a text, the value of others.
std::string describe(const json& value) {
  constexpr size_t kMostBytes = 60;
  if (value.is_array()) return "an array";
  if (value.is_object()) return "an object";
  if (!value.is_string()) return value.dump();
  const std::string_view text = std::string_view(value.get_ref<const std::string&>()).substr(0, kMostBytes);
  return json(text.substr(0, formats::valid_utf8_prefix(text))).dump(-1, ' ', true);  // escapes all but ASCII
}

}  // namespace

Fields::Fields(const json& object, std::string path, std::optional<Error>& error)
    : object_(&object), path_(std::move(path)), error_(&error) {
  if (!object.is_object() && !error)
    error = make_error(ErrorCode::kInvalidArgument, "{}expected an object, found {}",
                       path_.empty() ? path_ : path_ + ": ", describe(object));
}

std::string Fields::text(const char* name) {
  const json* value = find(name, "a text");
  if (value == nullptr) return {};
  if (value->is_string()) return value->get<std::string>();
  fail(name, "a text");
  return {};
}

std::string Fields::some_text(const char* name) {
  std::string value = text(name);
  if (value.empty()) fail(name, "a text that is not empty");
  return value;
}

double Fields::number(const char* name, double low, double high) {
  constexpr double kRounding = 1e-9;  // sums of probabilities are a little more than 1
  const std::string expected = fmt::format("a number from {} to {}", low, high);
  const json* value = find(name, expected);
  if (value == nullptr) return low;
  const double found = value->is_number() ? value->get<double>() : low - 1;
  if (found >= low && found <= high + kRounding) return found;
  fail(name, expected);
  return low;
}

uint64_t Fields::count(const char* name, uint64_t most, uint64_t least) {
  const std::string expected = fmt::format("a whole number from {} to {}", least, most);
  const json* value = find(name, expected);
  if (value == nullptr) return least;
  const uint64_t found = value->is_number_unsigned() ? value->get<uint64_t>() : 0;
  if (value->is_number_unsigned() && found >= least && found <= most) return found;
  fail(name, expected);
  return least;
}

bool Fields::flag(const char* name) {
  const json* value = find(name, "true or false");
  if (value == nullptr) return false;
  if (value->is_boolean()) return value->get<bool>();
  fail(name, "true or false");
  return false;
}

Fields Fields::object(const char* name) {
  static const json kNone = json::object();
  const json* value = find(name, "an object");
  return {value == nullptr ? kNone : *value, path_of(name), *error_};
}

const json* Fields::array(const char* name) {
  const json* value = find(name, "an array");
  if (value == nullptr || value->is_array()) return value;
  fail(name, "an array");
  return nullptr;
}

void Fields::fail(const char* name, std::string_view expected) {
  if (*error_) return;
  *error_ = make_error(ErrorCode::kInvalidArgument, "{}: expected {}, found {}", path_of(name), expected,
                       has(name) ? describe(object_->at(name)) : "nothing");
}

const json* Fields::find(const char* name, std::string_view expected) {
  if (has(name)) return &object_->at(name);
  fail(name, expected);
  return nullptr;
}

std::string Fields::path_of(const char* name) const {
  return path_.empty() ? name : path_ + "." + name;
}

}  // namespace sain::router
