#include "router/http/http_server.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <new>
#include <optional>
#include <semaphore>
#include <set>
#include <system_error>
#include <thread>
#include <utility>

#include "router/http/api_error.h"
#include "router/http/byte_stream.h"
#include "router/http/websocket_channel.h"

namespace sain::router {
namespace {

namespace net = boost::asio;
namespace ssl = boost::asio::ssl;
namespace http = boost::beast::http;
using boost::system::error_code;
using net::ip::tcp;
using std::chrono::milliseconds;

constexpr milliseconds kLookAgain{50};     // for a client that has left, while bytes of its next request wait
constexpr milliseconds kFarewell{2'000};   // for a client to read what it was told before its connection is closed
constexpr milliseconds kAcceptAgain{100};  // after an error: there were too many open files

enum class Length { kKnown, kChunks, kUntilClose };

std::string head_text(const HttpResponse& response, Length length, bool is_kept_alive) {
  const auto reason = http::obsolete_reason(http::int_to_status(static_cast<unsigned>(response.status)));
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", response.status, std::string_view(reason.data(), reason.size()));
  if (!response.content_type.empty()) head += fmt::format("Content-Type: {}\r\n", response.content_type);
  if (length == Length::kKnown && response.status != 204)
    head += fmt::format("Content-Length: {}\r\n", response.body.size());
  if (length == Length::kChunks) head += "Transfer-Encoding: chunked\r\n";
  if (!is_kept_alive) head += "Connection: close\r\n";
  for (const auto& [name, value] : response.headers) head += fmt::format("{}: {}\r\n", name, value);
  return head + "\r\n";
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

HttpRequest plain(http::request<http::string_body>&& message) {
  HttpRequest request;
  request.method = std::string(message.method_string());
  request.path = std::string(message.target());
  const size_t question_mark = std::min(request.path.find('?'), request.path.size());
  request.query = request.path.substr(std::min(question_mark + 1, request.path.size()));
  request.path.resize(question_mark);
  for (const auto& field : message)
    request.headers.emplace_back(lower({field.name_string().data(), field.name_string().size()}),
                                 std::string(field.value()));
  request.body = std::move(message.body());
  return request;
}

/// What to tell a client about a request that could not be read; nothing where it has just gone.
std::optional<ApiError> reading_error(const error_code& error, const HttpServerOptions& options) {
  if (error == http::error::header_limit)
    return ApiError{431, fmt::format("the head of a request may have {} bytes", options.max_header_bytes)};
  if (error == http::error::body_limit)
    return ApiError{413, fmt::format("the body of a request may have {} bytes", options.max_body_bytes)};
  if (error == http::error::end_of_stream || error == http::error::partial_message) return std::nullopt;
  if (error.category() != http::make_error_code(http::error::bad_method).category()) return std::nullopt;
  return ApiError{400, "not an HTTP request: " + error.message()};
}

}  // namespace

/// One thread runs `io`, which does all reading, writing and waiting; handlers run on `workers`.
struct HttpServer::State {
  class Connection;

  State(const HttpServerOptions& settings, HttpHandler on_request)
      : options(settings), handler(std::move(on_request)), workers(settings.n_workers) {}

  Status listen();
  Status read_certificate();
  void accept();
  bool begin_request();  // by the thread of `io`, as are the two others; false: it is too late
  void end_request();

  HttpServerOptions options;
  HttpHandler handler;
  std::set<Connection*> connections = {};  // of the thread of `io`, as is the next one
  bool is_accepting = false;
  std::mutex mutex = {};  // of the three below
  std::condition_variable has_ended = {};
  bool is_draining = false;
  size_t n_running = 0;  // requests that a handler has, or whose answer is on its way
  std::optional<ssl::context> tls = {};
  net::io_context io{1};
  net::executor_work_guard<net::io_context::executor_type> work{io.get_executor()};
  tcp::acceptor acceptor{io};
  net::steady_timer accept_timer{io};
  net::thread_pool workers;
  std::thread thread = {};
};

/// Lives as long as something is under way for it. Its members belong to the thread of `io`, but for what a request's
/// worker uses meanwhile.
class HttpServer::State::Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, State& server)
      : server_(server),
        stream_(std::move(socket), server.tls ? &*server.tls : nullptr),
        timer_(server.io),
        watch_timer_(server.io) {
    error_code ignored;
    stream_.socket().set_option(tcp::no_delay(true), ignored);
    server_.connections.insert(this);
  }
  ~Connection() {
    server_.connections.erase(this);
    server_.accept();
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void open() {
    arm(server_.options.head_timeout);
    stream_.async_open([self = shared_from_this()](error_code error) {
      if (error) return self->close();
      self->read_head();
    });
  }

  void read_head() {
    parser_.emplace();
    parser_->header_limit(server_.options.max_header_bytes);
    parser_->body_limit(server_.options.max_body_bytes);
    arm(server_.options.head_timeout);
    http::async_read_header(stream_, buffer_, *parser_, [self = shared_from_this()](error_code error, size_t) {
      if (error) return self->refuse(error);
      if (!boost::beast::iequals(self->parser_->get()[http::field::expect], "100-continue")) return self->read_body();
      self->write_here("HTTP/1.1 100 Continue\r\n\r\n", &Connection::read_body);
    });
  }

  void leave() { left_.request_stop(); }

  /// A WebSocket takes no further messages; what it is busy with goes on.
  void end_websocket() {
    if (websocket_) websocket_->end();
  }

  void close() {
    disarm();
    watch_timer_.cancel();
    error_code ignored;
    stream_.socket().close(ignored);
  }

 private:
  class Writer;

  void read_body() {
    arm(server_.options.body_timeout);
    http::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](error_code error, size_t) {
      if (error) return self->refuse(error);
      self->dispatch();
    });
  }

  void refuse(const error_code& error) {
    const bool is_late = std::exchange(is_late_, false);
    disarm();
    if (is_late && (parser_->got_some() || buffer_.size() > 0))
      return respond({408, "the request took too long to arrive"});
    const auto told = reading_error(error, server_.options);
    if (!told) return close();
    respond(*told);
  }

  /// The last answer on this connection, from this thread.
  void respond(const ApiError& error) {
    const HttpResponse response = error_response(error);
    write_here(head_text(response, Length::kKnown, false) + response.body, &Connection::say_farewell);
  }

  void write_here(std::string bytes, void (Connection::*next)()) {
    outgoing_ = std::move(bytes);
    arm(server_.options.write_timeout);
    net::async_write(stream_, net::buffer(outgoing_), [self = shared_from_this(), next](error_code error, size_t) {
      self->disarm();
      if (error) return self->close();
      ((*self).*next)();
    });
  }

  /// Closing while bytes wait to be read would take the answer away from the client: they are read first.
  void say_farewell() {
    arm(kFarewell);
    stream_.async_close([self = shared_from_this()](error_code) {
      error_code ignored;
      self->stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
      self->arm(kFarewell);
      self->drain();
    });
  }

  void drain() {
    buffer_.clear();
    stream_.socket().async_read_some(buffer_.prepare(16384), [self = shared_from_this()](error_code error, size_t) {
      if (error) return self->close();
      self->drain();
    });
  }

  void dispatch() {
    disarm();
    if (!server_.begin_request()) return respond({503, "the server is shutting down"});
    const auto& message = parser_->get();
    is_kept_alive_ = message.version() == 11 && message.keep_alive();
    can_chunk_ = message.version() == 11;
    left_ = std::stop_source();
    ++n_requests_;
    watch();
    net::post(server_.workers, [self = shared_from_this()]() mutable {
      self->run();
      State& server = self->server_;
      // So that the last reference is never a worker's.
      net::post(server.io, [self = std::move(self)] { self->finish(); });
    });
  }

  void run();

  void finish() {
    server_.end_request();
    end_watch();
    if (websocket_) {
      arm(kFarewell);
      return websocket_->close(shared_from_this(), [this] { close(); });
    }
    const bool goes_on = !is_gone_ && is_kept_alive_;
    if (goes_on) {
      read_head();
    } else if (is_gone_) {
      close();
    } else {
      say_farewell();
    }
  }

  /// Looks for the end of the client's side while a request is handled: at once, or where bytes of a next request come
  /// before it every now and then.
  void watch() {
    stream_.socket().async_wait(tcp::socket::wait_read,
                                [self = shared_from_this(), turn = n_requests_](error_code error) {
                                  if (error || turn != self->n_requests_) return;
                                  self->look(turn);
                                });
  }

  void end_watch() {
    ++n_requests_;
    watch_timer_.cancel();
  }

  void look(uint64_t turn) {
    pollfd polled = {stream_.socket().native_handle(), POLLRDHUP, 0};
    if (::poll(&polled, 1, 0) != 0) {
      is_gone_ = true;
      left_.request_stop();
      return;
    }
    watch_timer_.expires_after(kLookAgain);
    watch_timer_.async_wait([self = shared_from_this(), turn](error_code error) {
      if (error || turn != self->n_requests_) return;
      self->look(turn);
    });
  }

  /// By a worker: waits until the bytes are on their way. False once the client has left.
  bool put(std::string bytes) {
    if (is_gone_) return false;
    net::post(server_.io, [this, &bytes] {
      arm(server_.options.write_timeout);
      net::async_write(stream_, net::buffer(bytes), [this](error_code error, size_t) {
        disarm();
        if (error) {
          is_gone_ = true;
          left_.request_stop();
        }
        is_put_.release();
      });
    });
    is_put_.acquire();
    return !is_gone_;
  }

  /// By a worker: what the request asks for. nullptr if the client has left.
  MessageChannel* accept_websocket(WebSocketChannel::Request request) {
    bool is_open = false;
    net::post(server_.io, [this, &request, &is_open] {
      end_watch();
      websocket_.emplace(stream_, server_.options.max_body_bytes, server_.options.write_timeout, left_);
      websocket_->open(request, shared_from_this(), [this, &is_open](bool is_it) {
        is_open = is_it;
        is_put_.release();
      });
    });
    is_put_.acquire();
    return is_open ? &*websocket_ : nullptr;
  }

  /// Lets what is being read or written fail when the time is over. One at a time.
  void arm(milliseconds timeout) {
    timer_.expires_after(timeout);
    timer_.async_wait([self = shared_from_this(), turn = ++n_arms_](error_code error) {
      if (error || turn != self->n_arms_) return;
      self->is_late_ = true;
      error_code ignored;
      self->stream_.socket().cancel(ignored);
    });
  }

  void disarm() {
    ++n_arms_;
    timer_.cancel();
  }

  State& server_;
  ByteStream stream_;
  net::steady_timer timer_, watch_timer_;
  uint64_t n_arms_ = 0, n_requests_ = 0;  // so that what comes too late from a timer is known
  bool is_late_ = false;
  boost::beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  std::string outgoing_;
  // Of the request that is being handled:
  bool is_kept_alive_ = false, can_chunk_ = false;
  std::stop_source left_;
  std::atomic<bool> is_gone_ = false;
  std::binary_semaphore is_put_{0};
  std::optional<WebSocketChannel> websocket_;
};

/// Of a worker.
class HttpServer::State::Connection::Writer : public ResponseWriter {
 public:
  Writer(Connection& connection, const http::request<http::string_body>& request)
      : connection_(connection), is_head_(request.method() == http::verb::head) {
    if (boost::beast::websocket::is_upgrade(request)) upgrade_ = request;
  }

  void send(const HttpResponse& response) override {
    SAIN_CHECK(!has_begun_);
    has_begun_ = true;
    std::string bytes = head_text(response, Length::kKnown, connection_.is_kept_alive_);
    if (!is_head_ && response.status != 204) bytes += response.body;
    connection_.put(std::move(bytes));
  }

  void begin(const HttpResponse& head) override {
    SAIN_CHECK(!has_begun_);
    has_begun_ = is_stream_ = true;
    connection_.is_kept_alive_ &= connection_.can_chunk_;
    std::string bytes =
        head_text(head, connection_.can_chunk_ ? Length::kChunks : Length::kUntilClose, connection_.is_kept_alive_);
    if (!is_head_ && !head.body.empty()) bytes += piece(head.body);
    connection_.put(std::move(bytes));
  }

  bool write(std::string_view text) override {
    SAIN_CHECK(is_stream_);
    if (is_head_ || text.empty()) return !connection_.is_gone_;
    return connection_.put(piece(text));
  }

  MessageChannel* accept_websocket() override {
    SAIN_CHECK(!has_begun_);
    if (!upgrade_) return nullptr;
    has_begun_ = true;
    return connection_.accept_websocket(*std::exchange(upgrade_, std::nullopt));
  }

  void finish() {
    if (is_stream_ && !is_head_ && connection_.can_chunk_) connection_.put("0\r\n\r\n");
  }

  bool has_begun() const override { return has_begun_; }
  std::stop_token left() const override { return connection_.left_.get_token(); }

 private:
  std::string piece(std::string_view text) const {
    return connection_.can_chunk_ ? fmt::format("{:x}\r\n{}\r\n", text.size(), text) : std::string(text);
  }

  Connection& connection_;
  bool is_head_;
  std::optional<WebSocketChannel::Request> upgrade_;
  bool has_begun_ = false, is_stream_ = false;
};

void HttpServer::State::Connection::run() {
  Writer writer(*this, parser_->get());
  const HttpRequest request = plain(parser_->release());
  try {
    server_.handler(request, writer);
    if (!writer.has_begun()) writer.send(error_response({500, "the request was not answered"}));
    writer.finish();
  } catch (const std::exception& error) {
    is_kept_alive_ = false;  // a stream that has begun ends before its time, which the client sees
    if (!writer.has_begun()) writer.send(error_response({500, error.what()}));
  }
}

Status HttpServer::State::read_certificate() {
  if (options.tls_certificate.empty() && options.tls_key.empty()) return {};
  for (const auto& file : {options.tls_certificate, options.tls_key})
    if (::access(file.c_str(), R_OK) != 0)
      return make_error(ErrorCode::kIo, "{}: cannot be read: {}", file.string(),
                        std::generic_category().message(errno));
  error_code error;
  tls.emplace(ssl::context::tls_server);
  tls->set_options(ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1, error);
  tls->use_certificate_chain_file(options.tls_certificate.string(), error);
  if (error)
    return make_error(ErrorCode::kInvalidArgument, "{}: expected a certificate in PEM: {}",
                      options.tls_certificate.string(), error.message());
  tls->use_private_key_file(options.tls_key.string(), ssl::context::pem, error);
  if (error)
    return make_error(ErrorCode::kInvalidArgument, "{}: expected the key of {} in PEM: {}", options.tls_key.string(),
                      options.tls_certificate.string(), error.message());
  return {};
}

Status HttpServer::State::listen() {
  error_code error;
  const auto address = net::ip::make_address(options.host == "localhost" ? "127.0.0.1" : options.host, error);
  if (error)
    return make_error(ErrorCode::kInvalidArgument, "host: expected an address of this machine or localhost, found {}",
                      options.host);
  const tcp::endpoint endpoint(address, options.port);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(net::socket_base::max_listen_connections, error);
  if (error)
    return make_error(ErrorCode::kIo, "{} port {}: cannot listen: {}", options.host, options.port, error.message());
  return {};
}

void HttpServer::State::accept() {
  if (is_accepting || !acceptor.is_open() || connections.size() >= options.max_connections) return;
  is_accepting = true;
  acceptor.async_accept([this](error_code error, tcp::socket socket) {
    is_accepting = false;
    if (!error) {
      std::make_shared<Connection>(std::move(socket), *this)->open();
      return accept();
    }
    if (!acceptor.is_open()) return;
    accept_timer.expires_after(kAcceptAgain);
    accept_timer.async_wait([this](error_code) { accept(); });
  });
}

bool HttpServer::State::begin_request() {
  const std::lock_guard lock(mutex);
  if (is_draining) return false;
  ++n_running;
  return true;
}

void HttpServer::State::end_request() {
  const std::lock_guard lock(mutex);
  --n_running;
  has_ended.notify_all();
}

HttpServer::HttpServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<HttpServer>> HttpServer::start(const HttpServerOptions& options, HttpHandler handler) {
  auto state = std::make_unique<State>(options, std::move(handler));
  SAIN_RETURN_IF_ERROR(state->read_certificate());
  SAIN_RETURN_IF_ERROR(state->listen());
  state->accept();
  state->thread = std::thread([s = state.get()] {
    for (bool is_over = false; !is_over;) {
      try {
        s->io.run();
        is_over = true;
      } catch (const std::bad_alloc&) {  // costs a connection
      }
    }
  });
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(state)));
}

uint16_t HttpServer::port() const {
  error_code ignored;
  return state_->acceptor.local_endpoint(ignored).port();
}

void HttpServer::stop(std::chrono::milliseconds grace) {
  State& s = *state_;
  if (!s.thread.joinable()) return;
  const auto is_idle = [&s] { return s.n_running == 0; };
  std::unique_lock lock(s.mutex);
  s.is_draining = true;
  net::post(s.io, [&s] {
    for (State::Connection* connection : s.connections) connection->end_websocket();
  });
  if (!s.has_ended.wait_for(lock, grace, is_idle)) {
    net::post(s.io, [&s] {
      for (State::Connection* connection : s.connections) connection->leave();
    });
    s.has_ended.wait(lock, is_idle);
  }
  lock.unlock();
  net::post(s.io, [&s] {
    error_code ignored;
    s.acceptor.close(ignored);
    s.accept_timer.cancel();
    for (State::Connection* connection : s.connections) connection->close();
    s.work.reset();
  });
  s.thread.join();
  s.workers.join();
}

HttpServer::~HttpServer() {
  stop(std::chrono::milliseconds(0));
}

}  // namespace sain::router
