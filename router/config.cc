#include "router/config.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <system_error>

#include "router/cloud/chat_client.h"
#include "router/toml_reader.h"

namespace sain::router {
namespace {

constexpr int64_t kMaxContext = int64_t{1} << 20;
constexpr size_t kMaxSpecialists = 64;
constexpr int64_t kMaxSeconds = 86400;
constexpr size_t kMaxExamples = 8000;  // of one configuration: bounds time and memory of a training
constexpr size_t kMaxExampleBytes = 4096;

void read_policy(TomlReader& root, ConversationPolicy& out) {
  const toml::node* node = root.node("context_policy");
  if (node == nullptr) return;
  const auto policy = find_conversation_policy(node->value_or(std::string_view()));
  if (policy) {
    out = *policy;
  } else {
    root.fail(*node, "context_policy",
              fmt::format(R"(expected "stop", "stream" or "compact", found {})", describe_toml(*node)));
  }
}

bool is_valid_name(std::string_view name) {
  constexpr std::string_view kRest = "abcdefghijklmnopqrstuvwxyz0123456789_-";
  return !name.empty() && name.size() <= 32 && name[0] >= 'a' && name[0] <= 'z' &&
         name.find_first_not_of(kRest) == std::string_view::npos;
}

/// `table` maps the name of an intent to its examples.
Result<std::vector<Intent>> read_intents(const toml::table& table, const std::string& file, const std::string& path) {
  TomlReader reader(table, file, path);
  std::vector<Intent> intents;
  for (const auto& [key, value] : table) {
    Intent intent;
    intent.name = key.str();
    reader.strings(key.str(), intent.examples);
    if (!reader.failed() && !is_valid_name(intent.name))
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
  TomlReader reader(*table, file, path + ".sampling");
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

Result<std::vector<Intent>> read_member_intents(const toml::node& node, const std::string& file,
                                                const std::string& path, const ReadFile& read_file) {
  if (node.is_table()) return read_intents(*node.as_table(), file, path);
  const std::string& name = node.as_string()->get();
  auto text = read_file(name);
  if (!text)
    return make_error(text.error().code, "{}:{}: {}: {}", file, node.source().begin.line, path, text.error().message);
  return parse_intents(*text, name);
}

void read_cloud(TomlReader& parent, const std::string& file, const std::string& path, std::optional<CloudConfig>& out) {
  const toml::table* table = parent.table("cloud");
  if (table == nullptr) return;
  CloudConfig cloud;
  TomlReader reader(*table, file, path + ".cloud");
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

void read_privacy(TomlReader& root, const std::string& file, PrivacyConfig& out) {
  const toml::table* table = root.table("privacy");
  if (table == nullptr) return;
  TomlReader reader(*table, file, "privacy");
  if (const toml::node* node = reader.node("level")) {
    const auto level = find_privacy_level(node->value_or(std::string_view()));
    if (level) {
      out.level = *level;
    } else {
      reader.fail(*node, "level", fmt::format(R"(expected "off", "on" or "strict", found {})", describe_toml(*node)));
    }
  }
  reader.integer("audit_days", 1, 3650, out.audit_days);
  root.fail(reader.finish());
}

Result<MemberConfig> read_member(const toml::table& table, const std::string& file, const std::string& path,
                                 const ReadFile& read_file) {
  MemberConfig member;
  TomlReader reader(table, file, path);
  reader.string("name", member.name, Presence::kRequired);
  reader.string("description", member.description);
  read_cloud(reader, file, path, member.cloud);
  reader.string("model", member.model, member.cloud ? Presence::kOptional : Presence::kRequired);
  reader.string("system_prompt", member.system_prompt);
  reader.integer("max_tokens", 1, kMaxContext, member.max_tokens);
  reader.strings("stop", member.stop_strings);
  read_sampling(reader, file, path, member.sampling);
  if (const toml::node* node = reader.node("intents")) {
    if (node->is_table() || node->is_string()) {
      auto intents = read_member_intents(*node, file, path + ".intents", read_file);
      if (intents) {
        member.intents = *std::move(intents);
      } else {
        reader.fail(intents.error());
      }
    } else {
      reader.fail(*node, "intents", fmt::format("expected a table or a file's name, found {}", describe_toml(*node)));
    }
  }
  SAIN_RETURN_IF_ERROR(reader.finish());
  return member;
}

Status read_specialists(TomlReader& root, const std::string& file, const ReadFile& read_file, Config& config) {
  const toml::node* node = root.node("specialist");
  if (node == nullptr) return {};
  const toml::array* array = node->as_array();
  if (array == nullptr || (!array->empty() && !array->is_homogeneous(toml::node_type::table)))
    return make_error(ErrorCode::kInvalidArgument, "{}:{}: specialist: expected [[specialist]] tables, found {}", file,
                      node->source().begin.line, describe_toml(*node));
  for (const toml::node& element : *array) {
    const auto line = element.source().begin.line;
    const std::string path = fmt::format("specialist[{}]", config.specialists.size());
    SAIN_ASSIGN_OR_RETURN(MemberConfig member, read_member(*element.as_table(), file, path, read_file));
    if (!is_valid_name(member.name) || member.name == "assistant")
      return make_error(ErrorCode::kInvalidArgument,
                        "{}:{}: {}.name: expected [a-z][a-z0-9_-]* of at most 32 bytes and not \"assistant\", found "
                        "\"{}\"",
                        file, line, path, member.name);
    for (const MemberConfig& other : config.specialists)
      if (other.name == member.name)
        return make_error(ErrorCode::kInvalidArgument, "{}:{}: {}.name: \"{}\" is already taken", file, line, path,
                          member.name);
    if (config.specialists.size() == kMaxSpecialists)
      return make_error(ErrorCode::kInvalidArgument, "{}:{}: specialist: expected at most {} of them", file, line,
                        kMaxSpecialists);
    config.specialists.push_back(std::move(member));
  }
  return {};
}

/// Of all intents in the file that "background" names.
void read_background(TomlReader& routing, const std::string& file, const ReadFile& read_file,
                     std::vector<std::string>& out) {
  const toml::node* node = routing.node("background");
  if (node == nullptr) return;
  if (!node->is_string() && !node->is_table()) {
    return routing.fail(*node, "background",
                        fmt::format("expected a table or a file's name, found {}", describe_toml(*node)));
  }
  auto intents = read_member_intents(*node, file, "routing.background", read_file);
  if (!intents) return routing.fail(intents.error());
  for (Intent& intent : *intents) std::ranges::move(intent.examples, std::back_inserter(out));
}

void read_tables(TomlReader& root, const std::string& file, const ReadFile& read_file, Config& config) {
  if (const toml::table* table = root.table("memory")) {
    TomlReader reader(*table, file, "memory");
    constexpr int64_t kMaxMib = int64_t{1} << 24;  // 16 TiB
    uint64_t budget_mib = config.memory_budget_bytes >> 20;
    reader.integer("budget_mib", 1, kMaxMib, budget_mib);
    config.memory_budget_bytes = budget_mib << 20;
    reader.boolean("unload_after_answer", config.unload_after_answer);
    reader.boolean("prefetch", config.prefetch);
    root.fail(reader.finish());
  }
  if (const toml::table* table = root.table("routing")) {
    TomlReader reader(*table, file, "routing");
    reader.integer("layer", 1, 1024, config.routing.layer);
    reader.number("threshold", 0, 1, config.routing.threshold);
    reader.number("familiarity", 0, 1, config.routing.familiarity);
    reader.number("vote_weight", 0, 1, config.routing.vote_weight);
    reader.number("stickiness", 1, 1000, config.routing.stickiness);
    reader.integer("talk_after_ms", 0, kMaxSeconds * 1000, config.talk_after_ms);
    reader.integer("load_timeout_s", 1, kMaxSeconds, config.load_timeout_s);
    reader.integer("answer_timeout_s", 1, kMaxSeconds, config.answer_timeout_s);
    reader.string("encoder", config.routing.encoder);
    read_background(reader, file, read_file, config.routing.background);
    reader.string("evaluation", config.routing.evaluation);
    root.fail(reader.finish());
  }
}

/// What only the whole configuration can tell.
Status check_intents(const Config& config) {
  size_t n_examples = config.routing.background.size();
  for (const Intent& intent : config.assistant.intents) n_examples += intent.examples.size();
  for (const MemberConfig& member : config.specialists) {
    for (const Intent& intent : member.intents) n_examples += intent.examples.size();
    if (!member.intents.empty() && config.assistant.intents.empty())
      return make_error(ErrorCode::kInvalidArgument,
                        "{}: assistant.intents: is missing; specialist \"{}\" has intents, and a request is told "
                        "apart from what the assistant answers only by examples of both",
                        config.file, member.name);
  }
  if (n_examples > kMaxExamples)
    return make_error(ErrorCode::kInvalidArgument, "{}: intents: expected at most {} examples in all, found {}",
                      config.file, kMaxExamples, n_examples);
  return {};
}

}  // namespace

std::optional<ConversationPolicy> find_conversation_policy(std::string_view name) {
  if (name == "stop") return ConversationPolicy::kStop;
  if (name == "stream") return ConversationPolicy::kStream;
  if (name == "compact") return ConversationPolicy::kCompact;
  return std::nullopt;
}

Result<std::vector<Intent>> parse_intents(std::string_view text, const std::string& file) {
  SAIN_ASSIGN_OR_RETURN(const toml::table table, parse_toml(text, file));
  return read_intents(table, file, "");
}

Result<Config> parse_config(std::string_view text, const std::string& file, const ReadFile& read_file) {
  SAIN_ASSIGN_OR_RETURN(const toml::table table, parse_toml(text, file));
  Config config;
  config.file = file;
  TomlReader root(table, file, "");
  root.integer("context_length", 128, kMaxContext, config.context_length);
  read_policy(root, config.context_policy);
  root.integer("threads", 0, 1024, config.threads);
  read_tables(root, file, read_file, config);
  read_privacy(root, file, config.privacy);
  if (const toml::table* assistant = root.table("assistant", Presence::kRequired)) {
    auto member = read_member(*assistant, file, "assistant", read_file);
    if (!member) return std::move(member).error();
    config.assistant = *std::move(member);
    if (config.assistant.cloud)
      return make_error(ErrorCode::kInvalidArgument, "{}: assistant.cloud: the assistant is always on this machine",
                        file);
  }
  root.fail(read_specialists(root, file, read_file, config));
  SAIN_RETURN_IF_ERROR(root.finish());
  SAIN_RETURN_IF_ERROR(check_intents(config));
  return config;
}

namespace {

Result<std::string> read_text_file(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error))
    return make_error(ErrorCode::kNotFound, "{}: there is no such file", path.string());
  if (!std::filesystem::is_regular_file(path, error))
    return make_error(ErrorCode::kIo, "{}: expected a file", path.string());
  std::ifstream in(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (!in || in.bad()) return make_error(ErrorCode::kIo, "{}: cannot be read", path.string());
  return text;
}

}  // namespace

Result<Config> load_config(const std::filesystem::path& path) {
  SAIN_ASSIGN_OR_RETURN(const std::string text, read_text_file(path));
  const std::filesystem::path directory = path.parent_path().empty() ? "." : path.parent_path();
  const auto read_file = [&directory](const std::string& name) { return read_text_file(directory / name); };
  SAIN_ASSIGN_OR_RETURN(Config config, parse_config(text, path.string(), read_file));
  config.directory = directory;
  return config;
}

Result<Config> default_config() {
  SAIN_ASSIGN_OR_RETURN(const std::string text, read_built_in_file("sain.toml"));
  return parse_config(text, "sain.toml (built in)", read_built_in_file);
}

Result<std::string> read_config_file(const Config& config, const std::string& name) {
  return config.directory.empty() ? read_built_in_file(name) : read_text_file(config.directory / name);
}

}  // namespace sain::router
