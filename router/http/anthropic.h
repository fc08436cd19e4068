// Anthropic's messages: POST /v1/messages, and /v1/messages/count_tokens.
#pragma once

#include <string_view>

#include "formats/result.h"
#include "router/http/chat_call.h"
#include "router/http/http_message.h"

namespace sain::router {

struct AnthropicCall {
  ChatCall call = {};
  bool is_stream = false;
};

enum class AnthropicUse { kAnswer, kCountTokens };

/// Errors: kInvalidArgument, naming the field; an answer needs max_tokens.
Result<AnthropicCall> parse_anthropic(std::string_view body, AnthropicUse use);

/// As answer_openai_chat().
Status answer_anthropic(const HttpRequest& request, ChatTeam& team, ResponseWriter& writer);

/// Of the member that is asked for; for "auto" of the assistant. Errors: those of parse_anthropic() and
/// ChatTeam::count_tokens().
Status count_anthropic_tokens(const HttpRequest& request, ChatTeam& team, ResponseWriter& writer);

}  // namespace sain::router
