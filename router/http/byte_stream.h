// A connection's bytes: as they are over TCP, or inside TLS.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/role.hpp>
#include <boost/beast/websocket/teardown.hpp>
#include <utility>
#include <variant>

namespace sain::router {

/// What Asio calls an AsyncReadStream and AsyncWriteStream.
class ByteStream {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  using executor_type = Socket::executor_type;

  /// `tls`: nullptr for none; outlives this.
  ByteStream(Socket socket, boost::asio::ssl::context* tls)
      : stream_(tls == nullptr ? Stream(std::move(socket)) : Stream(std::in_place_type<Tls>, std::move(socket), *tls)) {
  }

  /// Under whatever else there is.
  Socket& socket() {
    if (Tls* const tls = std::get_if<Tls>(&stream_)) return tls->next_layer();
    return std::get<Socket>(stream_);
  }
  executor_type get_executor() { return socket().get_executor(); }

  template <class Buffers, class Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    std::visit([&](auto& stream) { stream.async_read_some(buffers, std::forward<Handler>(handler)); }, stream_);
  }
  template <class Buffers, class Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    std::visit([&](auto& stream) { stream.async_write_some(buffers, std::forward<Handler>(handler)); }, stream_);
  }

  /// What TLS needs before the first byte, and after the last one. handler(error); at once where there is no TLS.
  template <class Handler>
  void async_open(Handler&& handler) {
    Tls* const tls = std::get_if<Tls>(&stream_);
    if (tls == nullptr) return handler(boost::system::error_code());
    tls->async_handshake(Tls::server, std::forward<Handler>(handler));
  }
  template <class Handler>
  void async_close(Handler&& handler) {
    Tls* const tls = std::get_if<Tls>(&stream_);
    if (tls == nullptr) return handler(boost::system::error_code());
    tls->async_shutdown(std::forward<Handler>(handler));
  }

 private:
  using Tls = boost::asio::ssl::stream<Socket>;
  using Stream = std::variant<Socket, Tls>;
  Stream stream_;
};

/// How Beast ends a WebSocket over it.
inline void teardown(boost::beast::role_type role, ByteStream& stream, boost::system::error_code& error) {
  boost::beast::websocket::teardown(role, stream.socket(), error);
}
template <class Handler>
void async_teardown(boost::beast::role_type role, ByteStream& stream, Handler&& handler) {
  boost::beast::websocket::async_teardown(role, stream.socket(), std::forward<Handler>(handler));
}
inline void beast_close_socket(ByteStream& stream) {
  boost::system::error_code ignored;
  stream.socket().close(ignored);
}

}  // namespace sain::router
