// What a client sends over HTTP and what it gets, whoever carries it.
#pragma once

#include <optional>
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

/// Messages of text in both directions.
class MessageChannel {
 public:
  virtual ~MessageChannel() = default;
  /// Waits for the client's next message. None any more: it has left, or the server ends.
  virtual std::optional<std::string> receive() = 0;
  /// Waits until it is on its way. False once the client has left. By one thread at a time, which may be another than
  /// receive()'s.
  virtual bool send(std::string_view text) = 0;
  virtual std::stop_token left() const = 0;  // as ResponseWriter's
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

  /// In place of an answer, where the request asks for a WebSocket: it is one until the request has been handled.
  /// nullptr where it does not ask, or has gone.
  virtual MessageChannel* accept_websocket() { return nullptr; }

  virtual bool has_begun() const = 0;  // send(), begin() or accept_websocket() was called

  /// The client has left, or the server ends and has waited long enough: there is nobody to answer.
  virtual std::stop_token left() const = 0;
};

}  // namespace sain::router
