// Reads what a ProtocolLog has written, and believes none of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "formats/result.h"
#include "router/events.h"
#include "router/protocol/message.h"
#include "router/registry.h"

namespace sain::router {

struct LoggedMessage {
  double ms = 0;  // since the log began, not less than the one before
  std::string conversation;
  std::variant<RequestMessage, Event> message;
};

struct LoggedConversations {
  RegistrySnapshot registry;            // names alone, no intents
  std::vector<LoggedMessage> messages;  // each follows those before as ProtocolCheck says, one request after the other
  bool is_open = false;                 // the last request has no done or error
  bool is_cut = false;                  // the last line has no end, and is left out
};

/// Errors: kUnsupported (another version of the protocol), kCorrupt (anything else), naming `name`, line and field.
Result<LoggedConversations> parse_protocol_log(std::string_view bytes, std::string_view name);

/// Errors: kNotFound, kIo; those of parse_protocol_log().
Result<LoggedConversations> read_protocol_log(const std::filesystem::path& file);

}  // namespace sain::router
