// OpenAI's older completions: POST /v1/completions. The prompt is continued as it is, without a chat template and
// without instructions of the member; "auto" routes it by what it says.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "formats/result.h"
#include "router/http/chat_backend.h"
#include "router/http/http_message.h"
#include "router/http/openai_fields.h"

namespace sain::router {

struct CompletionCall {
  OpenAiCall call = {};
  std::vector<std::string> prompts = {};
};

/// Errors: kInvalidArgument, naming the field.
Result<CompletionCall> parse_openai_completion(std::string_view body);

/// As answer_openai_chat().
Status answer_openai_completion(const HttpRequest& request, ChatTeam& team, ResponseWriter& writer);

}  // namespace sain::router
