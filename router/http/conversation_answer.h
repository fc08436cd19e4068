// An answer in a kept conversation: a stream of events for whoever waits, and stored as it comes.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>

#include "router/conversations/conversation_store.h"
#include "router/coordinator.h"
#include "router/http/chat_backend.h"
#include "router/http/http_message.h"

namespace sain::router {

struct AskedQuestion {
  std::string conversation;  // its id in the store
  StoredMessage question = {};
  RequestOptions options = {};
};

/// Writes server-sent events: {"event": "question", "id"}, those of the handoff protocol, and once the answer is stored
/// {"event": "stored", "message"}, or an {"event": "error"}. What has come of an answer is stored each second, so that
/// the end of the program costs no more than that; without a word there is nothing to store. The id of the answer; 0:
/// there is none.
int64_t answer_question(const AskedQuestion& asked, ConversationStore& store, Conversation& conversation,
                        ChatTeam& team, std::stop_token stop, ResponseWriter& writer);

}  // namespace sain::router
