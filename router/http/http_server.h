// HTTP/1.1 over TCP or TLS: reads whole requests within limits, and hands each to a handler in a thread of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "formats/result.h"
#include "router/http/http_message.h"

namespace sain::router {

struct HttpServerOptions {
  std::string host = "127.0.0.1";  // an address of this machine, or "localhost"
  uint16_t port = 0;               // 0: one that is free
  // In PEM: the certificate, with those between it and a known one, and its key. Both empty: no TLS.
  std::filesystem::path tls_certificate = {}, tls_key = {};
  unsigned n_workers = 72;       // requests that are handled at once; the next ones wait
  size_t max_connections = 512;  // the next ones wait until one of these is closed
  uint32_t max_header_bytes = 16 << 10;
  uint64_t max_body_bytes = 8 << 20;
  std::chrono::milliseconds head_timeout{60'000};   // for the next request to begin, and its head to be complete
  std::chrono::milliseconds body_timeout{30'000};   // for all of its body
  std::chrono::milliseconds write_timeout{30'000};  // for a client to take a piece of the answer
};

/// Called by up to n_workers threads at once.
using HttpHandler = std::function<void(const HttpRequest& request, ResponseWriter& writer)>;

/// Connections are kept alive. What is no request, too large or too slow is answered with a 4xx of our own, whose body
/// is JSON, and closes its connection; nothing of it reaches the handler. What a handler throws is a 500.
class HttpServer {
 public:
  /// Listens from now on. Errors: kInvalidArgument (the host is no address; no certificate and key that belong
  /// together), kIo (it cannot listen there; a file cannot be read).
  static Result<std::unique_ptr<HttpServer>> start(const HttpServerOptions& options, HttpHandler handler);
  ~HttpServer();  // stop() without patience
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  uint16_t port() const;

  /// Requests that come now get a 503, those that are being handled have `grace` to end; then their left() is
  /// requested. Returns when all have ended and nobody listens any more.
  void stop(std::chrono::milliseconds grace);

 private:
  struct State;
  explicit HttpServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace sain::router
