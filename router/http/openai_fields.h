// What the requests of OpenAI's chat completions and completions have in common.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>

#include "formats/result.h"
#include "router/http/chat_call.h"
#include "router/protocol/fields.h"

namespace sain::router {

struct OpenAiCall {
  ChatCall call = {};
  uint32_t n = 1;  // answers, each with a seed of its own
  bool is_stream = false;
  bool include_usage = false;  // of a stream
  bool with_events = false;    // "sain": {"events": true}: a stream tells what goes on
};

/// How an answer is to be made: everything but what is asked, and log probabilities. Fields that are not known are
/// passed over; what is known and cannot be done is an error. `text` is the body as it came. `error` keeps the first
/// one, a kInvalidArgument that names the field.
void read_openai_options(const nlohmann::json& body, std::string_view text, OpenAiCall& call,
                         std::optional<Error>& error);

/// The usage of `ends`: prompts count once, answers all.
nlohmann::ordered_json openai_usage(const std::vector<ChatEnd>& ends);

/// For who wants to know: who answered, and whether on this machine.
nlohmann::ordered_json answered_by(const ChatEnd& end, const RegistrySnapshot& members);

}  // namespace sain::router
