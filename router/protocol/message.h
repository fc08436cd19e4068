// The messages of the handoff protocol as JSON objects: what `sain chat --json` prints and what a log holds. README.md
// says what each field means, and which message may follow which.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "formats/result.h"
#include "router/coordinator.h"
#include "router/events.h"
#include "router/registry.h"

namespace sain::router {

inline constexpr std::string_view kProtocolName = "sain";

/// The version that is written. Readers take every one since kOldestProtocolVersion, which later ones only add to.
inline constexpr uint64_t kProtocolVersion = 2, kOldestProtocolVersion = 1;

/// The first message of a request: what was asked. All others are Events.
struct RequestMessage {
  std::string text;  // UTF-8, with its @name
  RequestOptions options = {};
};

std::string_view to_string(StatusEvent::Kind kind);  // "acknowledged", "loading", ...

/// An object with "event" and the fields that belong to it. Texts are copied as they are; see to_line().
nlohmann::ordered_json to_json(const RequestMessage& request);
nlohmann::ordered_json to_json(const Event& event, const RegistrySnapshot& registry);

/// The fields of "route" alone.
nlohmann::ordered_json to_json(const RouteDecision& decision, const RegistrySnapshot& registry);

/// One line without its end; bytes that are not UTF-8 are replaced.
std::string to_line(const nlohmann::ordered_json& json);

/// The reverse: to_json() of what is returned gives the same fields again. Fields that are not known are
/// passed over. Errors: kInvalidArgument, naming the field ("token.by"), what was expected and what was found: an
/// unknown message, a missing field, another type, a member that the registry does not have, a value out of range.
Result<RequestMessage> parse_request(const nlohmann::json& message);
Result<Event> parse_event(const nlohmann::json& message, const RegistrySnapshot& registry);

}  // namespace sain::router
