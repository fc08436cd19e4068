#include "router/member_reader.h"

#include <algorithm>

#include "router/cloud/chat_client.h"

namespace sain::router {
namespace {

constexpr size_t kMaxExampleBytes = 4096;

std::string dotted(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

/// `table` maps the name of an intent to its examples.
Result<std::vector<Intent>> read_table(const toml::table& table, const std::string& file, const std::string& path) {
  TomlReader reader(table, file, path);
  std::vector<Intent> intents;
  for (const auto& [key, value] : table) {
    Intent intent;
    intent.name = key.str();
    reader.strings(key.str(), intent.examples);
    if (!reader.failed() && !is_member_name(intent.name))
      reader.fail(value, key.str(), "an intent's name has the form [a-z][a-z0-9_-]*, at most 32 bytes");
    if (!reader.failed() && intent.examples.empty()) reader.fail(value, key.str(), "needs at least one example");
    for (const std::string& example : intent.examples)
      if (example.size() > kMaxExampleBytes)
        reader.fail(
            value, key.str(),
            fmt::format("expected examples of at most {} bytes, found one of {}", kMaxExampleBytes, example.size()));
    intents.push_back(std::move(intent));
  }
  SAIN_RETURN_IF_ERROR(reader.finish());
  // toml++ sorts keys; ours is the order in which they stand in the file.
  std::vector<std::pair<uint32_t, size_t>> order;
  for (const auto& [key, value] : table) order.emplace_back(value.source().begin.line, order.size());
  std::stable_sort(order.begin(), order.end());
  std::vector<Intent> sorted;
  for (const auto& [line, index] : order) sorted.push_back(std::move(intents[index]));
  return sorted;
}

void read_sampling(TomlReader& parent, const std::string& file, const std::string& path, engine::SamplerOptions& out) {
  const toml::table* table = parent.table("sampling");
  if (table == nullptr) return;
  constexpr int64_t kMaxInt = 1 << 30;
  TomlReader reader(*table, file, dotted(path, "sampling"));
  reader.number("temperature", 0, 100, out.temperature);
  reader.integer("top_k", 0, kMaxInt, out.top_k);
  reader.number("top_p", 0, 1, out.top_p);
  reader.number("min_p", 0, 1, out.min_p);
  reader.number("typical_p", 0, 1, out.typical_p);
  reader.integer("seed", 0, INT64_MAX, out.seed);
  reader.integer("penalty_last_n", -1, kMaxInt, out.penalty_last_n);
  reader.number("repetition_penalty", 0.01, 100, out.repetition_penalty);
  reader.number("frequency_penalty", -2, 2, out.frequency_penalty);
  reader.number("presence_penalty", -2, 2, out.presence_penalty);
  reader.number("dry_multiplier", 0, 100, out.dry_multiplier);
  reader.number("dry_base", 1, 100, out.dry_base);
  reader.integer("dry_allowed_length", 1, kMaxInt, out.dry_allowed_length);
  reader.integer("dry_last_n", -1, kMaxInt, out.dry_last_n);
  reader.strings("dry_breakers", out.dry_breakers);
  parent.fail(reader.finish());
}

void read_cloud(TomlReader& parent, const std::string& file, const std::string& path, std::optional<CloudConfig>& out) {
  const toml::table* table = parent.table("cloud");
  if (table == nullptr) return;
  CloudConfig cloud;
  TomlReader reader(*table, file, dotted(path, "cloud"));
  reader.string("url", cloud.url, Presence::kRequired);
  reader.string("model", cloud.model, Presence::kRequired);
  reader.string("key_variable", cloud.key_variable);
  if (!reader.failed()) {
    if (const Status valid = check_cloud_url(cloud.url); !valid)
      reader.fail(*table->get("url"), "url", valid.error().message);
  }
  parent.fail(reader.finish());
  out = std::move(cloud);
}

}  // namespace

bool is_member_name(std::string_view name) {
  constexpr std::string_view kRest = "abcdefghijklmnopqrstuvwxyz0123456789_-";
  return !name.empty() && name.size() <= 32 && name[0] >= 'a' && name[0] <= 'z' &&
         name.find_first_not_of(kRest) == std::string_view::npos;
}

Result<std::vector<Intent>> read_intents(const toml::node& node, const std::string& file, const std::string& path,
                                         const ReadFile& read_file) {
  if (node.is_table()) return read_table(*node.as_table(), file, path);
  const std::string& name = node.as_string()->get();
  auto text = read_file(name);
  if (!text)
    return make_error(text.error().code, "{}:{}: {}: {}", file, node.source().begin.line, path, text.error().message);
  return parse_intents(*text, name);
}

Result<std::vector<Intent>> parse_intents(std::string_view text, const std::string& file) {
  SAIN_ASSIGN_OR_RETURN(const toml::table table, parse_toml(text, file));
  return read_table(table, file, "");
}

void read_member(TomlReader& reader, const std::string& file, const std::string& path, const ReadFile& read_file,
                 MemberConfig& member) {
  reader.string("name", member.name, Presence::kRequired);
  reader.string("description", member.description);
  read_cloud(reader, file, path, member.cloud);
  reader.string("model", member.model, member.cloud ? Presence::kOptional : Presence::kRequired);
  reader.string("adapter", member.adapter);
  reader.number("adapter_scale", -100, 100, member.adapter_scale);
  reader.string("system_prompt", member.system_prompt);
  reader.integer("max_tokens", 1, kMaxContext, member.max_tokens);
  if (reader.node("thinking_tokens") != nullptr)
    reader.integer("thinking_tokens", 0, kMaxContext, member.thinking_tokens.emplace());
  reader.strings("stop", member.stop_strings);
  read_sampling(reader, file, path, member.sampling);
  if (const toml::node* node = reader.node("intents")) {
    if (node->is_table() || node->is_string()) {
      auto intents = read_intents(*node, file, dotted(path, "intents"), read_file);
      if (intents) {
        member.intents = *std::move(intents);
      } else {
        reader.fail(intents.error());
      }
    } else {
      reader.fail(*node, "intents", fmt::format("expected a table or a file's name, found {}", describe_toml(*node)));
    }
  }
}

}  // namespace sain::router
