// The names by which clients may ask, as OpenAI lists models: GET /v1/models, GET /v1/models/NAME.
#pragma once

#include <string_view>

#include "formats/result.h"
#include "router/http/chat_backend.h"
#include "router/http/http_message.h"

namespace sain::router {

/// "auto", the assistant, each specialist.
Status answer_models(const ChatTeam& team, ResponseWriter& writer);

/// One of them. Errors: kNotFound.
Status answer_model(std::string_view name, const ChatTeam& team, ResponseWriter& writer);

}  // namespace sain::router
