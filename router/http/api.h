// All endpoints of the server: who may ask, which of them a request is for, and what they share.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <semaphore>

#include "router/http/access.h"
#include "router/http/chat_backend.h"
#include "router/http/http_message.h"
#include "router/http/rate_limit.h"

namespace sain::router {

struct ApiOptions {
  AccessOptions access = {};
  unsigned max_running = 64;  // answers at once; a request beyond is told to try again (429), as is one
  RateLimits limits = {};     // beyond what a key may ask for, or all together where there are no keys
};

/// Thread-safe.
class Api {
 public:
  static constexpr unsigned kMaxSockets = 32;  // WebSockets at once, each of which has a worker

  explicit Api(ApiOptions options);

  /// From now on there is somebody to answer. Before, /health and whatever needs an answer are 503.
  void open(ChatBackend backend);

  /// An HttpHandler.
  void handle(const HttpRequest& request, ResponseWriter& writer);

 private:
  std::shared_ptr<const ChatBackend> backend() const;
  void answer(const HttpRequest& request, ResponseWriter& writer);
  std::optional<ApiError> take_place(size_t client, std::shared_ptr<void>& place);

  ApiOptions options_;
  std::counting_semaphore<> free_places_, free_sockets_{kMaxSockets};
  RateLimiter limiter_;
  mutable std::mutex mutex_;
  std::shared_ptr<const ChatBackend> backend_;
};

}  // namespace sain::router
