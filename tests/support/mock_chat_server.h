// A chat server on this machine, in a thread of the test: it says what the test wants, and keeps what it was sent.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

namespace sain::testing {

/// What a client has connected to, for as long as one request takes.
class MockConnection {
 public:
  explicit MockConnection(int socket) : socket_(socket) {}

  /// False once the client has gone.
  bool send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t n = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }

  /// Until the client closes its end, or ten seconds have passed; false for the latter.
  bool wait_for_client_to_leave() const {
    char byte;
    return ::recv(socket_, &byte, 1, 0) == 0;
  }

  /// Headers and body of one request; what there is when the client leaves before.
  std::string receive() const {
    std::string request;
    char buffer[16384];
    size_t wanted = std::string::npos;
    while (request.size() < wanted) {
      const ssize_t n = ::recv(socket_, buffer, sizeof buffer, 0);
      if (n <= 0) break;
      request.append(buffer, static_cast<size_t>(n));
      const size_t end = request.find("\r\n\r\n");
      const size_t length = request.find("Content-Length: ");
      if (end == std::string::npos) continue;
      wanted = end + 4 + (length < end ? std::strtoull(request.c_str() + length + 16, nullptr, 10) : 0);
    }
    return request;
  }

 private:
  int socket_;
};

class MockChatServer {
 public:
  using Handler = std::function<void(const MockConnection& connection, const std::string& request)>;

  /// Serves one connection after the other, each for one request, on a free port of 127.0.0.1.
  explicit MockChatServer(Handler handler) : handler_(std::move(handler)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener_, generic, size) != 0 || ::listen(listener_, 16) != 0 ||
        ::getsockname(listener_, generic, &size) != 0) {
      throw std::system_error(errno, std::generic_category(), "mock server");
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  MockChatServer(const MockChatServer&) = delete;
  MockChatServer& operator=(const MockChatServer&) = delete;
  ~MockChatServer() {
    ::shutdown(listener_, SHUT_RDWR);  // ends accept()
    thread_.join();
    ::close(listener_);
  }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/v1/chat/completions"; }

  /// All bytes that any client has sent so far.
  std::string received() const {
    const std::lock_guard lock(mutex_);
    return received_;
  }

 private:
  void serve() {
    for (int socket; (socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0; ::close(socket)) {
      const timeval patience = {.tv_sec = 10, .tv_usec = 0};
      ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
      const MockConnection connection(socket);
      const std::string request = connection.receive();
      {
        const std::lock_guard lock(mutex_);
        received_ += request;
      }
      handler_(connection, request);
    }
  }

  Handler handler_;
  int listener_ = -1;
  uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::string received_;
  std::thread thread_;
};

/// The head of a response whose body ends with the connection.
inline std::string http_head(std::string_view status, std::string_view type) {
  return "HTTP/1.1 " + std::string(status) + "\r\nContent-Type: " + std::string(type) + "\r\nConnection: close\r\n\r\n";
}

/// An event with a piece of the answer; `content` needs no escapes.
inline std::string delta_event(std::string_view content) {
  return R"(data: {"choices":[{"index":0,"delta":{"content":")" + std::string(content) + "\"}}]}\n\n";
}

inline constexpr std::string_view kStreamEnd =
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}}\n\n"
    "data: [DONE]\n\n";

}  // namespace sain::testing
