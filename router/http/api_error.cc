#include "router/http/api_error.h"

#include <nlohmann/json.hpp>

namespace sain::router {
namespace {

using nlohmann::ordered_json;

std::string_view openai_type(int status) {
  if (status == 401) return "authentication_error";
  if (status == 403) return "permission_error";
  if (status == 429) return "rate_limit_error";
  return status < 500 ? "invalid_request_error" : "server_error";
}

std::string_view anthropic_type(int status) {
  if (status == 401) return "authentication_error";
  if (status == 403) return "permission_error";
  if (status == 404) return "not_found_error";
  if (status == 413) return "request_too_large";
  if (status == 429) return "rate_limit_error";
  if (status == 503) return "overloaded_error";
  return status < 500 ? "invalid_request_error" : "api_error";
}

ordered_json text_or_null(const std::string& text) {
  return text.empty() ? ordered_json() : ordered_json(text);
}

}  // namespace

ApiError api_error(const Error& error) {
  const size_t colon = error.message.find(": expected ");
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kUnsupported:
      return {400, error.message, colon == std::string::npos ? "" : error.message.substr(0, colon)};
    case ErrorCode::kNotFound:
      return {404, error.message, "model", "model_not_found"};
    case ErrorCode::kResourceExhausted:
      return {503, error.message};
    default:
      return {500, error.message};
  }
}

std::string error_body(const ApiError& error, ApiStyle style) {
  ordered_json json;
  switch (style) {
    case ApiStyle::kOpenAi:
      json = {{"error",
               {{"message", error.message},
                {"type", openai_type(error.status)},
                {"param", text_or_null(error.param)},
                {"code", text_or_null(error.code)}}}};
      break;
    case ApiStyle::kAnthropic:
      json = {{"type", "error"}, {"error", {{"type", anthropic_type(error.status)}, {"message", error.message}}}};
      break;
    case ApiStyle::kOllama:
      json = {{"error", error.message}};
      break;
  }
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

HttpResponse error_response(const ApiError& error, ApiStyle style) {
  HttpResponse response = {.status = error.status, .body = error_body(error, style) + "\n"};
  if (error.status == 429 || error.status == 503)
    response.headers.push_back({"Retry-After", std::to_string(error.retry_after_s)});
  return response;
}

}  // namespace sain::router
