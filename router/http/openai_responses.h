// OpenAI's responses: POST /v1/responses, without anything that the server would have to keep.
#pragma once

#include <string_view>

#include "formats/result.h"
#include "router/http/chat_call.h"
#include "router/http/http_message.h"

namespace sain::router {

struct ResponsesCall {
  ChatCall call = {};
  bool is_stream = false;
};

/// Errors: kInvalidArgument, naming the field.
Result<ResponsesCall> parse_openai_response(std::string_view body);

/// As answer_openai_chat().
Status answer_openai_response(const HttpRequest& request, ChatTeam& team, ResponseWriter& writer);

}  // namespace sain::router
