// What the server's endpoints stand on: who answers, and how the program is.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "router/conversation.h"
#include "router/coordinator.h"
#include "router/routed_chat.h"

namespace sain::router {

class KeptConversations;

/// Who answers now: a team of a RoutedChat; tests put their own here. Thread-safe.
class ChatTeam {
 public:
  virtual ~ChatTeam() = default;
  virtual const RegistrySnapshot& members() const = 0;
  /// As Coordinator::handle().
  virtual Status handle(Conversation& conversation, std::string_view request, const RequestOptions& options,
                        const EventSink& sink, std::stop_token stop) = 0;
  /// Tokens of the prompt that `member` would read. Errors: those of Residency::acquire() and render_prompt().
  virtual Result<size_t> count_tokens(SpecialistId member, const Conversation& conversation, std::string_view request,
                                      const AnswerOptions& options, std::stop_token stop) = 0;
};

/// What is to be embedded: a text, or tokens of the encoder.
using EmbeddingInput = std::variant<std::string, std::vector<engine::Token>>;

/// Called by several threads at once.
struct ChatBackend {
  std::function<std::shared_ptr<ChatTeam>()> team;
  std::function<std::string()> status;   // JSON, see router/monitoring/status.md
  std::function<std::string()> metrics;  // the Prometheus text
  std::function<Result<Embedding>(const EmbeddingInput& input)> embed;
  std::function<void()> forget = {};                      // all that was computed of any conversation; may be empty
  std::shared_ptr<KeptConversations> conversations = {};  // of the page
  std::string encoder = {};  // what makes embeddings, by the name that the configuration says; may be empty
};

/// Of a RoutedChat, which must outlive it. `program`: as people call it, "sain serve".
ChatBackend backend_of(RoutedChat& chat, std::string program);

}  // namespace sain::router
