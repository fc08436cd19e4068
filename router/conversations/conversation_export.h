// Conversations as others read them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "router/conversations/conversation_store.h"

namespace sain::router {

/// {"id", "title", "created", "updated"}; times as "2026-11-26T08:25:25Z".
nlohmann::ordered_json to_json(const ConversationInfo& info);

/// {"id", "role", "text", "created"}, and of an answer {"state", "by", "place", "route": {"cause", "reason",
/// "confidence"}, "context": {"tokens", "limit"}, "timings": as in the protocol's "done", "feedback"}.
nlohmann::ordered_json to_json(const StoredMessage& message);

/// The fields of its info and "messages".
nlohmann::ordered_json to_json(const StoredConversation& conversation);

/// A heading, then each message below the name of whoever said it, as it is.
std::string to_markdown(const StoredConversation& conversation);

}  // namespace sain::router
