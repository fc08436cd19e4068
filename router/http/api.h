// All endpoints of the server: who may ask, which of them a request is for, and what they share.
#pragma once

#include <memory>
#include <mutex>
#include <semaphore>

#include "router/http/access.h"
#include "router/http/chat_backend.h"
#include "router/http/http_message.h"

namespace sain::router {

struct ApiOptions {
  AccessOptions access = {};
  unsigned max_running = 64;  // answers at once; a request beyond is told to try again (429)
};

/// Thread-safe.
class Api {
 public:
  explicit Api(ApiOptions options);

  /// From now on there is somebody to answer. Before, /health and whatever needs an answer are 503.
  void open(ChatBackend backend);

  /// An HttpHandler.
  void handle(const HttpRequest& request, ResponseWriter& writer);

 private:
  std::shared_ptr<const ChatBackend> backend() const;
  void answer(const HttpRequest& request, ResponseWriter& writer);

  ApiOptions options_;
  std::counting_semaphore<> free_places_;
  mutable std::mutex mutex_;
  std::shared_ptr<const ChatBackend> backend_;
};

}  // namespace sain::router
