// Conversations that the server keeps for its page: README.md lists the endpoints.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "router/conversations/conversation_store.h"
#include "router/coordinator.h"
#include "router/http/http_message.h"
#include "router/http/live_conversations.h"

namespace sain::router {

struct ChatBackend;

/// What is asked in a conversation.
struct ConversationCall {
  std::string text = {};  // empty: the last question once more
  std::string model = "auto";
  Mode mode = Mode::kAuto;
};

/// Errors: kInvalidArgument.
Result<ConversationCall> parse_conversation_call(std::string_view body);

/// Thread-safe.
class KeptConversations {
 public:
  explicit KeptConversations(std::unique_ptr<ConversationStore> store) : store_(std::move(store)) {}

  /// All requests of /v1/conversations and below. Errors: those of ConversationStore and of reading requests.
  Status answer(const HttpRequest& request, const ChatBackend& backend, ResponseWriter& writer);

 private:
  Status list(const HttpRequest& request, ResponseWriter& writer);
  Status create(const HttpRequest& request, ResponseWriter& writer);
  Status answer_one(const std::string& id, std::string_view what, const HttpRequest& request,
                    const ChatBackend& backend, ResponseWriter& writer);
  Status export_one(const std::string& id, const HttpRequest& request, ResponseWriter& writer);
  Status go_on(const std::string& id, const HttpRequest& request, const ChatBackend& backend, ResponseWriter& writer);
  Status rate(const std::string& id, std::string_view answer, const HttpRequest& request, ResponseWriter& writer);
  Status remove(const std::string& id, const ChatBackend& backend, ResponseWriter& writer);

  std::unique_ptr<ConversationStore> store_;
  LiveConversations live_;
};

}  // namespace sain::router
