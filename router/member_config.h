// What a configuration or a package says about one member: the assistant or a specialist.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/sampler.h"
#include "formats/result.h"

namespace sain::router {

/// One fine-grained kind of request, known by its examples.
struct Intent {
  std::string name;
  std::vector<std::string> examples;  // at least one, none empty
};

/// A server that speaks OpenAI's chat completions.
struct CloudConfig {
  std::string url;           // of the endpoint, in full; https, or http to this machine
  std::string model;         // by the server's name
  std::string key_variable;  // the environment variable that holds the key; may be empty
};

/// The assistant or a specialist.
struct MemberConfig {
  std::string name;          // of a specialist: what follows the @; see is_member_name()
  std::string version = {};  // of its package; empty where there is none
  std::string description = {};
  std::string model;         // a file (relative to the configuration) or a name of the catalogue; empty with `cloud`
  std::string adapter = {};  // a LoRA adapter of the model, which members share; a file; may be empty
  float adapter_scale = 1;   // see engine::Adapter::load
  std::string system_prompt = {};
  uint32_t max_tokens = 512;
  std::optional<uint32_t> thinking_tokens = {};  // of thought before an answer in slow mode, at most; see Thinking
  std::vector<std::string> stop_strings = {};
  engine::SamplerOptions sampling = {};
  std::vector<Intent> intents = {};       // may be empty: then only @name reaches the specialist
  std::optional<CloudConfig> cloud = {};  // of a specialist: it is not on this machine
};

/// Gives the content of a file that a configuration or a package names.
using ReadFile = std::function<Result<std::string>(const std::string& name)>;

/// [a-z][a-z0-9_-]*, at most 32 bytes. Intents are called so too.
bool is_member_name(std::string_view name);

/// `name = ["example", ...]` for each intent. Errors: kInvalidArgument naming file, line and key.
Result<std::vector<Intent>> parse_intents(std::string_view text, const std::string& file);

}  // namespace sain::router
