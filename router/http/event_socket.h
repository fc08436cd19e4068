// A conversation over a WebSocket, in the messages of the handoff protocol (router/protocol/README.md).
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "router/http/api_error.h"
#include "router/http/chat_backend.h"
#include "router/http/http_message.h"

namespace sain::router {

/// Takes one of the places for answers, which is kept with `place`; or says why there is none.
using TakePlace = std::function<std::optional<ApiError>(std::shared_ptr<void>& place)>;

/// Until the client leaves, or the server ends. Of the client: "request", whose `mode` and `priority` may be left out;
/// {"event": "cancel"} ends the answer to it. It gets all that follows a request; and an "error" alone for a message
/// that is none of these, or comes before an answer has ended. Errors: kInvalidArgument (no WebSocket is asked for).
Status answer_event_socket(const ChatBackend& backend, const TakePlace& take_place, ResponseWriter& writer);

}  // namespace sain::router
