// libFuzzer target for configurations: the input is a sain.toml, a NUL byte, and the file that its `intents` name.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "router/config.h"
#include "router/evaluation.h"
#include "router/registry.h"
#include "router/route_policy.h"

namespace {

void check(bool condition) {
  if (!condition) std::abort();
}

/// What a configuration promises to whoever uses it.
void check_promises(const sain::router::Config& config) {
  check(!config.assistant.model.empty());
  check(config.context_length >= 128);
  check(config.routing.threshold >= 0 && config.routing.threshold <= 1);
  const sain::router::Registry registry(config);
  const auto& snapshot = registry.snapshot();
  check(snapshot.names.size() == config.specialists.size() + 1);
  for (const std::string& name : snapshot.names) check(snapshot.find(name).has_value());
  const size_t n = snapshot.intents.size();
  const std::vector<double> uniform(n, n == 0 ? 0 : 1 / static_cast<double>(n));
  const std::string text = "@" + config.assistant.name + " hello";
  const auto decision = decide({.text = text, .classification = {.probabilities = uniform}}, snapshot, {});
  check(index(decision.target) < snapshot.names.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const size_t split = std::min(bytes.find('\0'), size);
  const std::string_view other = bytes.substr(std::min(split + 1, size));
  const auto read_file = [other](const std::string&) -> sain::Result<std::string> { return std::string(other); };
  const auto config = sain::router::parse_config(bytes.substr(0, split), "fuzz.toml", read_file);
  if (!config) {
    check(config.error().message.find("fuzz.toml") == 0 || !other.empty());
    return 0;
  }
  check_promises(*config);
  const auto requests = parse_labelled_requests(other, "other.toml", sain::router::Registry(*config).snapshot());
  if (!requests) check(!requests.error().message.empty());
  return 0;
}
