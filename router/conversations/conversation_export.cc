#include "router/conversations/conversation_export.h"

#include <fmt/chrono.h>

namespace sain::router {
namespace {

using nlohmann::ordered_json;

std::string time_text(int64_t ms) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(ms / 1000)));
}

}  // namespace

ordered_json to_json(const ConversationInfo& info) {
  return {{"id", info.id},
          {"title", info.title},
          {"created", time_text(info.created_ms)},
          {"updated", time_text(info.updated_ms)}};
}

ordered_json to_json(const StoredMessage& message) {
  ordered_json json = {{"id", message.id},
                       {"role", message.answer ? "assistant" : "user"},
                       {"text", message.text},
                       {"created", time_text(message.created_ms)}};
  if (!message.answer) return json;
  const AnswerDetails& answer = *message.answer;
  const RequestTimings& timings = answer.timings;
  json["state"] = to_string(answer.state);
  json["by"] = answer.by;
  json["place"] = answer.is_local ? "local" : "cloud";
  json["route"] = {{"cause", answer.cause}, {"reason", answer.reason}, {"confidence", nullptr}};
  if (answer.confidence) json["route"]["confidence"] = *answer.confidence;
  json["context"] = {{"tokens", answer.context.n_tokens}, {"limit", answer.context.limit}};
  json["timings"] = {{"route_ms", timings.route_ms},
                     {"load_ms", timings.load_ms},
                     {"first_token_ms", timings.first_token_ms},
                     {"total_ms", timings.total_ms},
                     {"prefill_tokens", timings.prefill_tokens},
                     {"decode_tokens", timings.decode_tokens}};
  json["feedback"] = answer.feedback ? ordered_json(to_string(*answer.feedback)) : ordered_json();
  return json;
}

ordered_json to_json(const StoredConversation& conversation) {
  ordered_json json = to_json(conversation.info);
  json["messages"] = ordered_json::array();
  for (const StoredMessage& message : conversation.messages) json["messages"].push_back(to_json(message));
  return json;
}

std::string to_markdown(const StoredConversation& conversation) {
  std::string text = fmt::format("# {}\n\n{}\n", conversation.info.title, time_text(conversation.info.created_ms));
  for (const StoredMessage& message : conversation.messages) {
    std::string speaker = "You";
    if (message.answer) {
      speaker = message.answer->by;
      if (message.answer->state != AnswerState::kComplete)
        speaker += fmt::format(" ({})", to_string(message.answer->state));
    }
    text += fmt::format("\n## {}\n\n{}\n", speaker, message.text);
  }
  return text;
}

}  // namespace sain::router
