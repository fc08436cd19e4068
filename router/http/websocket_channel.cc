#include "router/http/websocket_channel.h"

#include <boost/asio/post.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <optional>
#include <utility>

namespace sain::router {
namespace {

namespace net = boost::asio;
namespace websocket = boost::beast::websocket;
using boost::system::error_code;

constexpr size_t kReadAhead = 8;              // messages
constexpr std::chrono::seconds kSilence{60};  // of a client, whom half of it later a ping asks whether it is there

}  // namespace

WebSocketChannel::WebSocketChannel(ByteStream& stream, size_t max_message_bytes,
                                   std::chrono::milliseconds write_timeout, std::stop_source& left)
    : socket_(stream), write_timeout_(write_timeout), write_timer_(stream.get_executor()), left_(left) {
  socket_.read_message_max(max_message_bytes);
  socket_.set_option(websocket::stream_base::timeout{kSilence, kSilence, true});
  socket_.text(true);
}

void WebSocketChannel::open(const Request& request, const std::shared_ptr<void>& owner,
                            std::function<void(bool is_open)> then) {
  owner_ = owner;
  socket_.async_accept(request, [this, owner, then = std::move(then)](error_code error) {
    if (!error) read();
    then(!error);
  });
}

void WebSocketChannel::read() {
  is_reading_ = true;
  socket_.async_read(buffer_, [this, owner = owner_.lock()](error_code error, size_t) {
    is_reading_ = false;
    if (error) return leave();
    std::string message = boost::beast::buffers_to_string(buffer_.data());
    buffer_.consume(buffer_.size());
    const std::lock_guard lock(mutex_);
    received_.push_back(std::move(message));
    has_come_.notify_one();
    if (received_.size() < kReadAhead) read();
  });
}

void WebSocketChannel::leave() {
  left_.request_stop();
  end();
}

void WebSocketChannel::end() {
  const std::lock_guard lock(mutex_);
  has_ended_ = true;
  has_come_.notify_one();
}

std::optional<std::string> WebSocketChannel::receive() {
  std::unique_lock lock(mutex_);
  has_come_.wait(lock, [this] { return has_ended_ || !received_.empty(); });
  if (has_ended_) return std::nullopt;
  std::string message = std::move(received_.front());
  received_.pop_front();
  if (received_.size() == kReadAhead - 1) {
    net::post(socket_.get_executor(), [this, owner = owner_.lock()] {
      if (!is_reading_ && !left_.stop_requested()) read();
    });
  }
  return message;
}

bool WebSocketChannel::send(std::string_view text) {
  if (left_.stop_requested()) return false;
  net::post(socket_.get_executor(), [this, text, owner = owner_.lock()] {
    write_timer_.expires_after(write_timeout_);
    write_timer_.async_wait([this, owner](error_code error) {
      error_code ignored;
      if (!error) socket_.next_layer().socket().cancel(ignored);
    });
    socket_.async_write(net::buffer(text), [this, owner](error_code error, size_t) {
      write_timer_.cancel();
      if (error) leave();
      is_sent_.release();
    });
  });
  is_sent_.acquire();
  return !left_.stop_requested();
}

void WebSocketChannel::close(const std::shared_ptr<void>& owner, std::function<void()> then) {
  socket_.async_close(websocket::close_code::normal, [owner, then = std::move(then)](error_code) { then(); });
}

}  // namespace sain::router
