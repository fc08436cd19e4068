// What a client sends over HTTP and what it gets, whoever carries it.
#pragma once

#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sain::router {

/// A whole request, within the server's limits. Nothing in it is to be trusted.
struct HttpRequest {
  std::string method;                                        // "GET"
  std::string path;                                          // "/v1/models": without the query, as it was sent
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case, in the order they came
  std::string body;
  std::string query = {};  // what stands after the path's question mark, as it was sent

  /// The value of the first header of this name (in lower case); empty where there is none.
  std::string_view header(std::string_view name) const {
    for (const auto& [key, value] : headers)
      if (key == name) return value;
    return {};
  }
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};  // further ones: lines that are ours, never a client's
};

/// Where the answer to one request goes: send() once, or begin() and then write() as often as wanted. Used by the
/// thread that handles the request. Nothing of a body is sent where the request was HEAD.
class ResponseWriter {
 public:
  virtual ~ResponseWriter() = default;

  virtual void send(const HttpResponse& response) = 0;

  /// The head of a response whose body comes piece by piece; `head.body` is the first one.
  virtual void begin(const HttpResponse& head) = 0;
  /// Waits until the piece is on its way. False once the client has left; then left() has been requested too.
  virtual bool write(std::string_view piece) = 0;

  virtual bool has_begun() const = 0;  // send() or begin() was called

  /// The client has left, or the server ends and has waited long enough: there is nobody to answer.
  virtual std::stop_token left() const = 0;
};

}  // namespace sain::router
