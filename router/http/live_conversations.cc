#include "router/http/live_conversations.h"

#include <algorithm>
#include <utility>

namespace sain::router {
namespace {

constexpr size_t kMostKept = 32;

}  // namespace

std::optional<std::stop_source> LiveConversations::begin(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto [running, is_new] = running_.try_emplace(id);
  if (!is_new) return std::nullopt;
  return running->second;
}

void LiveConversations::end(const std::string& id) {
  const std::lock_guard lock(mutex_);
  running_.erase(id);
}

void LiveConversations::stop(const std::string& id) {
  const std::lock_guard lock(mutex_);
  if (const auto running = running_.find(id); running != running_.end()) running->second.request_stop();
}

std::unique_ptr<Conversation> LiveConversations::take_before(const StoredConversation& stored, size_t question,
                                                             const RegistrySnapshot& members) {
  const auto& messages = stored.messages;
  {
    const std::lock_guard lock(mutex_);
    const auto kept = std::ranges::find(kept_, stored.info.id, &Kept::id);
    if (kept != kept_.end()) {
      Kept taken = std::move(*kept);
      kept_.erase(kept);
      if (question > 0 && messages[question - 1].id == taken.last_answer) return std::move(taken.conversation);
    }
  }
  auto conversation = std::make_unique<Conversation>();
  conversation->policy = ConversationPolicy::kCompact;
  for (size_t i = 1; i < question; ++i)
    if (messages[i].answer && !messages[i - 1].answer)
      conversation->context.record(
          {messages[i - 1].text, messages[i].text, members.find(messages[i].answer->by).value_or(kAssistant)});
  return conversation;
}

void LiveConversations::keep(const std::string& id, int64_t last_answer, std::unique_ptr<Conversation> conversation) {
  conversation->stream.reset();  // a cache for each would be more than the budget has counted
  const std::lock_guard lock(mutex_);
  kept_.push_front({id, last_answer, std::move(conversation)});
  if (kept_.size() > kMostKept) kept_.pop_back();
}

void LiveConversations::drop(const std::string& id) {
  const std::lock_guard lock(mutex_);
  std::erase_if(kept_, [&id](const Kept& kept) { return kept.id == id; });
}

}  // namespace sain::router
