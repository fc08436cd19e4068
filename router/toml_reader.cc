#include "router/toml_reader.h"

#include <cmath>
#include <sstream>

namespace sain::router {
namespace {

// Cut to what fits into a message.
std::string one_line(std::string text) {
  constexpr size_t kMaxBytes = 60;
  for (char& c : text)
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  if (text.size() <= kMaxBytes) return text;
  size_t end = kMaxBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // not inside a character
  return text.substr(0, end) + "...";
}

}  // namespace

Result<toml::table> parse_toml(std::string_view text, const std::string& file) {
  constexpr size_t kMaxBytes = size_t{4} << 20;
  if (text.size() > kMaxBytes)
    return make_error(ErrorCode::kInvalidArgument, "{}: expected at most {} bytes, found {}", file, kMaxBytes,
                      text.size());
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    return make_error(ErrorCode::kInvalidArgument, "{}:{}: {}", file, error.source().begin.line,
                      one_line(std::string(error.description())));
  }
}

std::string describe_toml(const toml::node& node) {
  if (node.is_table()) return "a table";
  if (node.is_array()) return "an array";
  std::ostringstream out;
  node.visit([&out](const auto& value) {
    if constexpr (toml::is_string<decltype(value)>) {
      out << '"' << value.get() << '"';
    } else if constexpr (toml::is_value<decltype(value)>) {
      out << value;
    }
  });
  return one_line(out.str());
}

std::string TomlReader::key_path(std::string_view key) const {
  if (key.empty()) return path_;
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

void TomlReader::fail(const toml::node& where, std::string_view key, std::string_view what) {
  fail(make_error(ErrorCode::kInvalidArgument, "{}:{}: {}: {}", file_, where.source().begin.line, key_path(key), what));
}

const toml::node* TomlReader::node(std::string_view key, Presence presence) {
  if (failed()) return nullptr;
  known_.emplace(key);
  const toml::node* found = table_.get(key);
  if (found == nullptr && presence == Presence::kRequired) fail(table_, key, "is missing");
  return found;
}

const toml::table* TomlReader::table(std::string_view key, Presence presence) {
  const toml::node* found = node(key, presence);
  if (found == nullptr || found->is_table()) return found == nullptr ? nullptr : found->as_table();
  fail(*found, key, fmt::format("expected a table, found {}", describe_toml(*found)));
  return nullptr;
}

std::vector<const toml::table*> TomlReader::tables(std::string_view key, Presence presence) {
  const toml::node* found = node(key, presence);
  if (found == nullptr) return {};
  const toml::array* array = found->as_array();
  std::vector<const toml::table*> tables;
  for (size_t i = 0; array != nullptr && i < array->size(); ++i)
    if (const toml::table* table = (*array)[i].as_table()) tables.push_back(table);
  if (array == nullptr || tables.size() < array->size() || (presence == Presence::kRequired && tables.empty())) {
    fail(*found, key, fmt::format("expected [[{}]] tables, found {}", key, describe_toml(*found)));
    return {};
  }
  return tables;
}

void TomlReader::string(std::string_view key, std::string& out, Presence presence) {
  const toml::node* found = node(key, presence);
  if (found == nullptr) return;
  const auto* value = found->as_string();
  if (value == nullptr) return fail(*found, key, fmt::format("expected a string, found {}", describe_toml(*found)));
  if (presence == Presence::kRequired && value->get().empty()) return fail(*found, key, "must not be empty");
  out = value->get();
}

void TomlReader::boolean(std::string_view key, bool& out) {
  const toml::node* found = node(key);
  if (found == nullptr) return;
  const auto* value = found->as_boolean();
  if (value == nullptr)
    return fail(*found, key, fmt::format("expected true or false, found {}", describe_toml(*found)));
  out = value->get();
}

void TomlReader::strings(std::string_view key, std::vector<std::string>& out) {
  const toml::node* found = node(key);
  if (found == nullptr) return;
  const toml::array* array = found->as_array();
  if (array == nullptr)
    return fail(*found, key, fmt::format("expected an array of strings, found {}", describe_toml(*found)));
  std::vector<std::string> values;
  for (const toml::node& element : *array) {
    const auto* value = element.as_string();
    if (value == nullptr) return fail(element, key, fmt::format("expected strings, found {}", describe_toml(element)));
    if (value->get().empty()) return fail(element, key, "must not hold an empty string");
    values.push_back(value->get());
  }
  out = std::move(values);
}

bool TomlReader::read_integer(std::string_view key, int64_t min, int64_t max, int64_t& out) {
  const toml::node* found = node(key);
  if (found == nullptr) return false;
  const auto* value = found->as_integer();
  if (value == nullptr || value->get() < min || value->get() > max) {
    fail(*found, key, fmt::format("expected an integer from {} to {}, found {}", min, max, describe_toml(*found)));
    return false;
  }
  out = value->get();
  return true;
}

void TomlReader::number(std::string_view key, double min, double max, double& out) {
  const toml::node* found = node(key);
  if (found == nullptr) return;
  const double value = found->is_number() ? found->value<double>().value_or(std::nan("")) : std::nan("");
  if (!(value >= min && value <= max))
    return fail(*found, key, fmt::format("expected a number from {} to {}, found {}", min, max, describe_toml(*found)));
  out = value;
}

void TomlReader::number(std::string_view key, double min, double max, float& out) {
  double value = out;
  number(key, min, max, value);
  out = static_cast<float>(value);
}

Status TomlReader::finish() {
  for (const auto& [key, value] : table_) {
    if (failed()) break;
    if (known_.count(key.str()) == 0) {
      fail(value, key.str(), fmt::format("is not a known key (its value is {})", describe_toml(value)));
    }
  }
  return status_;
}

}  // namespace sain::router
