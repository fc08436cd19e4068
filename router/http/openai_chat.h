// OpenAI's chat completions: POST /v1/chat/completions.
#pragma once

#include "formats/result.h"
#include "router/http/chat_backend.h"
#include "router/http/http_message.h"
#include "router/http/openai_fields.h"

namespace sain::router {

/// Errors: kInvalidArgument, naming the field.
Result<OpenAiCall> parse_openai_chat(std::string_view body);

/// Answers a request, whole or as a stream. Errors, before anything of an answer was sent: those of parse_openai_chat()
/// and run_call(). A stream that has begun tells its error itself.
Status answer_openai_chat(const HttpRequest& request, ChatTeam& team, ResponseWriter& writer);

}  // namespace sain::router
