// What `sain.toml` says: the assistant, the specialists, how to route between them, and the budgets.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/result.h"
#include "router/member_config.h"
#include "router/privacy/personal_data.h"

namespace sain::router {

struct PrivacyConfig {
  PrivacyLevel level = PrivacyLevel::kOn;  // of looking for personal data in what a specialist in the cloud would get
  bool name_vote = false;                  // the assistant says what is a name, where the form does not
  uint32_t audit_days = 90;                // that the audit log keeps a line
};

/// What happens to a conversation that no longer fits into the context.
enum class ConversationPolicy {
  kStop,     // nothing is lost: the request that does not fit is an error
  kStream,   // engine::ContextPolicy::kStream: the models keep the first tokens and the newest
  kCompact,  // a summary that the assistant writes takes the place of the oldest turns
};

/// By its name in a configuration and on the command line: "stop", "stream", "compact".
std::optional<ConversationPolicy> find_conversation_policy(std::string_view name);

struct RoutingConfig {
  uint32_t layer = 6;           // the assistant's layers that a request passes before its state is classified
  double threshold = 0.6;       // a specialist needs this confidence, else the assistant answers,
  double familiarity = 0;       // and a request this much of it, see Classification
  double stickiness = 2;        // by this factor the odds of whoever answered last are better
  double vote_weight = 0;       // 0 to 1; of what the assistant itself thinks, where nobody is sure enough
  double draft_confidence = 0;  // 0 to 1; of a draft of the assistant's that is kept where nobody is sure enough
  std::string encoder;          // a model that embeds requests, beside the assistant; a file or a name; may be empty
  std::vector<std::string> background = {};  // requests that belong to nobody, so that others like them are told apart
  std::string evaluation;  // labelled requests for `sain route eval`; a file beside the configuration, may be empty
};

struct Config {
  std::string file;                 // for messages
  std::filesystem::path directory;  // what relative paths are relative to; empty for the built-in configuration
  MemberConfig assistant;
  std::vector<MemberConfig> specialists;
  RoutingConfig routing;
  PrivacyConfig privacy;
  uint64_t memory_budget_bytes = uint64_t{8} << 30;  // of weights and KV caches together; the same again on a device
  bool unload_after_answer = false;                  // a specialist's memory goes back at once, not when it is needed
  bool prefetch = true;                              // the specialist that is likely to be next is loaded ahead
  uint32_t talk_after_ms = 1000;                     // of loading: then the assistant says something; 0: it is silent
  uint32_t load_timeout_s = 120;                     // for a specialist; then another member answers
  uint32_t answer_timeout_s = 60;                    // for the first token of one
  uint32_t context_length = 4096;                    // tokens, for every member
  ConversationPolicy context_policy = ConversationPolicy::kCompact;
  unsigned threads = 0;  // 0: one a physical core
};

/// Reads a configuration from `text`; `file` is its name in messages; intents in files of their own come through
/// `read_file`. Strict: an unknown key, a wrong type, a value out of range, a duplicate or missing name is
/// kInvalidArgument with "file:line: key: what was expected, what was found".
Result<Config> parse_config(std::string_view text, const std::string& file, const ReadFile& read_file);

/// What only the whole configuration can tell: not too many specialists or examples, and the assistant has intents
/// where a specialist has any. Errors: kInvalidArgument.
Status check_config(const Config& config);

/// parse_config() of a file, with paths relative to its folder. Errors also: kNotFound, kIo.
Result<Config> load_config(const std::filesystem::path& path);

/// The configuration that is built into the program, for when there is no sain.toml.
Result<Config> default_config();

/// The content of a file of the built-in configuration; kNotFound.
Result<std::string> read_built_in_file(const std::string& name);

/// Reads a file that `config` names: from its directory, or from the program for the built-in configuration.
Result<std::string> read_config_file(const Config& config, const std::string& name);

}  // namespace sain::router
