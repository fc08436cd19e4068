// What of the kept conversations is in memory.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "router/conversation.h"
#include "router/conversations/conversation_store.h"
#include "router/registry.h"

namespace sain::router {

/// Which conversations are being answered, and the last few as models know them: with the summaries that took the place
/// of old turns. Thread-safe.
class LiveConversations {
 public:
  /// An answer begins, which ends where the returned source says so. None: one is running in this conversation.
  std::optional<std::stop_source> begin(const std::string& id);
  void end(const std::string& id);
  void stop(const std::string& id);  // the answer that is running, if there is one

  /// The conversation as it was before the question `stored.messages[question]`: the one that was kept, or one that is
  /// made of the turns that have an answer. It is the caller's until it is kept.
  std::unique_ptr<Conversation> take_before(const StoredConversation& stored, size_t question,
                                            const RegistrySnapshot& members);
  void keep(const std::string& id, int64_t last_answer, std::unique_ptr<Conversation> conversation);
  void drop(const std::string& id);

 private:
  struct Kept {
    std::string id;
    int64_t last_answer;
    std::unique_ptr<Conversation> conversation;
  };

  std::mutex mutex_;
  std::map<std::string, std::stop_source> running_;
  std::list<Kept> kept_;  // the last one first
};

}  // namespace sain::router
