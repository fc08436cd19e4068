// One conversation: what was said, and the stream that it may be.
#pragma once

#include <optional>
#include <string>

#include "engine/session.h"
#include "router/context_manager.h"
#include "router/privacy/audit_log.h"

namespace sain::router {

/// Used by one thread at a time; several conversations go on at once.
struct Conversation {
  std::string id = make_opaque_id();
  ContextManager context = {};
  std::optional<engine::Session> stream = {};  // the assistant's, with ConversationPolicy::kStream
  engine::TurnPriority priority = engine::TurnPriority::kInteractive;  // of the request that is being answered
  std::optional<ConversationPolicy> policy = {};  // none: the team's; a stream is the team's alone to choose

  /// Forgets everything, and is another one.
  void reset() { *this = {}; }
};

}  // namespace sain::router
