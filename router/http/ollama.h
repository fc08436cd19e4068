// Ollama's API: POST /api/chat and /api/generate, GET /api/tags and /api/version. Streams are lines of JSON.
#pragma once

#include <string_view>

#include "formats/result.h"
#include "router/http/chat_call.h"
#include "router/http/http_message.h"

namespace sain::router {

enum class OllamaUse { kChat, kGenerate };

struct OllamaCall {
  ChatCall call = {};
  bool is_stream = true;
};

/// Errors: kInvalidArgument, naming the field.
Result<OllamaCall> parse_ollama(std::string_view body, OllamaUse use);

/// As answer_openai_chat().
Status answer_ollama(const HttpRequest& request, OllamaUse use, ChatTeam& team, ResponseWriter& writer);

/// The members, as models.
Status answer_ollama_tags(const ChatTeam& team, ResponseWriter& writer);
Status answer_ollama_version(ResponseWriter& writer);

}  // namespace sain::router
