// What went wrong with a request, as clients of each kind expect to be told.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "formats/result.h"
#include "router/http/http_message.h"

namespace sain::router {

struct ApiError {
  int status = 500;
  std::string message;
  std::string param = {};      // the field that is wrong; may be empty
  std::string code = {};       // "model_not_found"; may be empty
  uint32_t retry_after_s = 2;  // of 429 and 503: when the client may try again
};

/// kInvalidArgument and kUnsupported are the client's fault: 400; a message "FIELD: expected ..." gives `param`.
/// kNotFound: there is no such model, 404. kResourceExhausted may pass: 503. What else fails is 500.
ApiError api_error(const Error& error);

/// Whose manners an answer has.
enum class ApiStyle { kOpenAi, kAnthropic, kOllama };

/// {"error": {"message", "type", "param", "code"}} for OpenAI; {"type": "error", "error": {"type", "message"}} for
/// Anthropic; {"error": "message"} for Ollama. On one line.
std::string error_body(const ApiError& error, ApiStyle style);

/// With Retry-After where the client may try again.
HttpResponse error_response(const ApiError& error, ApiStyle style = ApiStyle::kOpenAi);

}  // namespace sain::router
