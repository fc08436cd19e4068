// Functions, calls and what they came to, in the prompt of a model.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "router/context_manager.h"
#include "router/tool_set.h"

namespace sain::router {

/// A call's arguments; an empty object where they are none.
nlohmann::ordered_json arguments_json(const ToolCall& call);

/// The messages as chat templates expect them: calls as `tool_calls`, whose arguments are objects; a tool's message
/// with `tool_call_id` and `name`.
nlohmann::ordered_json template_messages(std::span<const Message> messages);

/// The messages for a template that knows no functions: they are described in the system prompt, which is the first
/// message then; calls stand in the assistant's text, and what they came to is the user's. Neighbours of one role are
/// one message. `tools` may be nullptr.
std::vector<Message> plain_messages(std::span<const Message> messages, const ToolSet* tools);

}  // namespace sain::router
