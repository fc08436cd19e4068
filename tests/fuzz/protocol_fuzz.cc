// Any bytes as a log of the handoff protocol: header, messages and their order. What is accepted can be written and
// read again; what is not, is refused with file and line.
#include <cstdint>
#include <string_view>
#include <variant>

#include "formats/result.h"
#include "router/protocol/message.h"
#include "router/protocol/protocol_log_reader.h"

namespace {

using namespace sain;
using namespace sain::router;
using nlohmann::json;

void check_again(const RequestMessage& request, const RegistrySnapshot&) {
  const std::string line = to_line(to_json(request));
  const auto again = parse_request(json::parse(line));
  SAIN_CHECK(again && to_line(to_json(*again)) == line);
}

void check_again(const Event& event, const RegistrySnapshot& registry) {
  const std::string line = to_line(to_json(event, registry));
  const auto again = parse_event(json::parse(line), registry);
  SAIN_CHECK(again && to_line(to_json(*again, registry)) == line);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const auto log = parse_protocol_log({reinterpret_cast<const char*>(bytes), size}, "fuzz.jsonl");
  if (!log) {
    SAIN_CHECK(log.error().message.starts_with("fuzz.jsonl:"));
    SAIN_CHECK(log.error().message.size() < 10'000);
    return 0;
  }
  for (const LoggedMessage& logged : log->messages)
    std::visit([&](const auto& message) { check_again(message, log->registry); }, logged.message);
  return 0;
}
