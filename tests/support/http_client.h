// A client that sends any bytes to a server on this machine, and looks at what comes back.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace sain::testing {

/// One connection to a port of 127.0.0.1. What takes more than a minute fails.
class HttpClient {
 public:
  explicit HttpClient(uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    const timeval patience = {.tv_sec = 60, .tv_usec = 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    is_connected_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  ~HttpClient() { ::close(socket_); }
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  bool is_connected() const { return is_connected_; }

  /// False once the server has closed the connection.
  bool send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t n = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }

  /// Nothing more will be sent.
  void end() const { ::shutdown(socket_, SHUT_WR); }

  /// What comes until `end` has, that included; less where the connection ends before.
  std::string receive_until(std::string_view end) {
    size_t found;
    while ((found = received_.find(end)) == std::string::npos)
      if (!receive_more()) return take(received_.size());
    return take(found + end.size());
  }
  std::string receive_all() {
    while (receive_more()) {
    }
    return take(received_.size());
  }

  /// A whole response with its head, by Content-Length or in chunks (which stay as they are).
  std::string receive_response() {
    std::string response = receive_until("\r\n\r\n");
    if (response.find("Transfer-Encoding: chunked\r\n") != std::string::npos)
      return response + receive_until("0\r\n\r\n");
    const size_t length = response.find("Content-Length: ");
    const size_t size = length == std::string::npos ? 0 : std::strtoull(response.c_str() + length + 16, nullptr, 10);
    while (received_.size() < size && receive_more()) {
    }
    return response + take(std::min(size, received_.size()));
  }

 private:
  bool receive_more() {
    char buffer[16384];
    const ssize_t n = ::recv(socket_, buffer, sizeof buffer, 0);
    if (n > 0) received_.append(buffer, static_cast<size_t>(n));
    return n > 0;
  }

  std::string take(size_t n) {
    std::string taken = received_.substr(0, n);
    received_.erase(0, n);
    return taken;
  }

  int socket_;
  bool is_connected_ = false;
  std::string received_;
};

/// A request with a JSON body.
inline std::string post(std::string_view path, std::string_view body) {
  return "POST " + std::string(path) +
         " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

inline std::string get(std::string_view path) {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
}

}  // namespace sain::testing
