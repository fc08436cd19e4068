// The functions that a request offers to its answer, and whether one must be called.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "formats/result.h"
#include "router/tool_set.h"

namespace sain::router {

/// Where an API has what belongs to a function, and how `tool_choice` is said.
enum class ToolShape {
  kChat,       // {"type": "function", "function": {"name", "parameters", ...}}: OpenAI's chat, and Ollama's
  kResponses,  // {"type": "function", "name", "parameters", ...}
  kAnthropic,  // {"name", "input_schema", ...}
};

/// `tools`, `tool_choice` and whatever says whether several calls may be made at once. None where there are no
/// functions. `text` is the body as it came: parameters come in the schema's order. `error` keeps the first one, a
/// kInvalidArgument that names the field: a strict function's schema that cannot be kept is one too.
std::shared_ptr<const ToolSet> read_tools(const nlohmann::json& body, std::string_view text, ToolShape shape,
                                          std::optional<Error>& error);

}  // namespace sain::router
