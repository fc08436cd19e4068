// Configurations from any bytes: parsed or refused, never a crash. A specialist's intents file is the same bytes again.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "router/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = sain::router::parse_config(
      text, "fuzz.toml", [&](const std::string&) -> sain::Result<std::string> { return std::string(text); });
  if (!config && config.error().message.empty()) __builtin_trap();
  const auto intents = sain::router::parse_intents(text, "fuzz.toml");
  if (!intents && intents.error().message.find("fuzz.toml") == std::string::npos) __builtin_trap();
  return 0;
}
