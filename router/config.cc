#include "router/config.h"

#include <algorithm>

#include "router/member_reader.h"
#include "router/text_file.h"
#include "router/toml_reader.h"

namespace sain::router {
namespace {

constexpr size_t kMaxSpecialists = 64;
constexpr int64_t kMaxSeconds = 86400;
constexpr size_t kMaxExamples = 8000;  // of one configuration: bounds time and memory of a training

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
  reader.boolean("name_vote", out.name_vote);
  reader.integer("audit_days", 1, 3650, out.audit_days);
  root.fail(reader.finish());
}

Result<MemberConfig> read_whole_member(const toml::table& table, const std::string& file, const std::string& path,
                                       const ReadFile& read_file) {
  MemberConfig member;
  TomlReader reader(table, file, path);
  read_member(reader, file, path, read_file, member);
  SAIN_RETURN_IF_ERROR(reader.finish());
  return member;
}

Status read_specialists(TomlReader& root, const std::string& file, const ReadFile& read_file, Config& config) {
  for (const toml::table* table : root.tables("specialist")) {
    const auto line = table->source().begin.line;
    const std::string path = fmt::format("specialist[{}]", config.specialists.size());
    SAIN_ASSIGN_OR_RETURN(MemberConfig member, read_whole_member(*table, file, path, read_file));
    if (!is_member_name(member.name) || member.name == "assistant")
      return make_error(ErrorCode::kInvalidArgument,
                        "{}:{}: {}.name: expected [a-z][a-z0-9_-]* of at most 32 bytes and not \"assistant\", found "
                        "\"{}\"",
                        file, line, path, member.name);
    for (const MemberConfig& other : config.specialists)
      if (other.name == member.name)
        return make_error(ErrorCode::kInvalidArgument, "{}:{}: {}.name: \"{}\" is already taken", file, line, path,
                          member.name);
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
  auto intents = read_intents(*node, file, "routing.background", read_file);
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
    reader.number("draft_confidence", 0, 1, config.routing.draft_confidence);
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

}  // namespace

std::optional<ConversationPolicy> find_conversation_policy(std::string_view name) {
  if (name == "stop") return ConversationPolicy::kStop;
  if (name == "stream") return ConversationPolicy::kStream;
  if (name == "compact") return ConversationPolicy::kCompact;
  return std::nullopt;
}

Status check_config(const Config& config) {
  if (config.specialists.size() > kMaxSpecialists)
    return make_error(ErrorCode::kInvalidArgument, "{}: specialist: expected at most {} of them, found {}", config.file,
                      kMaxSpecialists, config.specialists.size());
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
    auto member = read_whole_member(*assistant, file, "assistant", read_file);
    if (!member) return std::move(member).error();
    config.assistant = *std::move(member);
    if (config.assistant.cloud)
      return make_error(ErrorCode::kInvalidArgument, "{}: assistant.cloud: the assistant is always on this machine",
                        file);
  }
  root.fail(read_specialists(root, file, read_file, config));
  SAIN_RETURN_IF_ERROR(root.finish());
  SAIN_RETURN_IF_ERROR(check_config(config));
  return config;
}

Result<Config> load_config(const std::filesystem::path& path) {
  SAIN_ASSIGN_OR_RETURN(const std::string text, read_text_file(path));
  const std::filesystem::path directory = path.parent_path().empty() ? "." : path.parent_path();
  const auto read_file = [&directory](const std::string& name) { return read_text_file(directory / name); };
  SAIN_ASSIGN_OR_RETURN(Config config, parse_config(text, path.string(), read_file));
  config.directory = directory;
  const auto resolve = [&directory](MemberConfig& member) {
    if (!member.adapter.empty()) member.adapter = (directory / member.adapter).string();
  };
  resolve(config.assistant);
  for (MemberConfig& member : config.specialists) resolve(member);
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
