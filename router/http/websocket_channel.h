// A connection that has become a WebSocket (RFC 6455).
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <semaphore>
#include <string>

#include "router/http/byte_stream.h"
#include "router/http/http_message.h"

namespace sain::router {

/// Reads ahead a few messages, so that a client that leaves is known at once.
class WebSocketChannel : public MessageChannel {
 public:
  using Request = boost::beast::http::request<boost::beast::http::string_body>;

  /// `left` is requested once the client has. All of it outlives this, and what its handlers keep alive.
  WebSocketChannel(ByteStream& stream, size_t max_message_bytes, std::chrono::milliseconds write_timeout,
                   std::stop_source& left);

  // By the thread that runs the stream's executor; `owner` is kept alive by whatever is under way.
  void open(const Request& request, const std::shared_ptr<void>& owner, std::function<void(bool is_open)> then);
  void end();  // receive() gives nothing from now on
  void close(const std::shared_ptr<void>& owner, std::function<void()> then);

  // By others.
  std::optional<std::string> receive() override;
  bool send(std::string_view text) override;
  std::stop_token left() const override { return left_.get_token(); }

 private:
  void read();
  void leave();

  boost::beast::websocket::stream<ByteStream&, false> socket_;  // without compression
  boost::beast::flat_buffer buffer_;
  std::chrono::milliseconds write_timeout_;
  boost::asio::steady_timer write_timer_;
  std::weak_ptr<void> owner_;
  std::stop_source& left_;
  bool is_reading_ = false;
  std::binary_semaphore is_sent_{0};
  std::mutex mutex_;  // of the rest
  std::condition_variable has_come_;
  std::deque<std::string> received_;
  bool has_ended_ = false;
};

}  // namespace sain::router
