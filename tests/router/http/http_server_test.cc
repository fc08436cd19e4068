#include "router/http/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <string>
#include <thread>

#include "tests/support/http_client.h"

namespace sain::router {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using namespace std::chrono_literals;
using sain::testing::get;
using sain::testing::HttpClient;
using sain::testing::post;

/// Says what it was asked, or does what the path says.
class HttpServerTest : public ::testing::Test {
 protected:
  void start(HttpServerOptions options = {}) {
    auto server = HttpServer::start(options, [this](const HttpRequest& request, ResponseWriter& writer) {
      if (request.path == "/throw") throw std::bad_alloc();
      if (request.path == "/nothing") return;
      if (request.path == "/stream" || request.path == "/endless") return stream(request, writer);
      writer.send({.content_type = "text/plain", .body = request.method + " " + request.path + " " + request.body});
    });
    ASSERT_TRUE(server) << server.error().message;
    server_ = *std::move(server);
  }

  void stream(const HttpRequest& request, ResponseWriter& writer) {
    writer.begin({.content_type = "text/plain", .body = "one,"});
    writer.write("two,");
    has_begun_.set_value();
    if (request.path == "/stream") return;
    std::promise<void> has_left;
    const std::stop_callback on_left(writer.left(), [&] { has_left.set_value(); });
    has_left.get_future().wait();
    may_end_.get_future().wait();
    is_written_.set_value(writer.write("more"));
  }

  std::string ask(std::string_view bytes) {
    HttpClient client(server_->port());
    client.send(bytes);
    return client.receive_response();
  }

  std::promise<void> has_begun_, may_end_;
  std::promise<bool> is_written_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, AnswersOneRequestAfterTheOtherOnAConnection) {
  start();
  HttpClient client(server_->port());
  for (const std::string body : {"first", "second"}) {
    ASSERT_TRUE(client.send(post("/echo?query=1", body)));
    EXPECT_THAT(client.receive_response(), EndsWith("\r\n\r\nPOST /echo " + body));
  }
  client.send(get("/a") + get("/b"));
  EXPECT_THAT(client.receive_response(), EndsWith("GET /a "));
  EXPECT_THAT(client.receive_response(), EndsWith("GET /b "));
  client.send("HEAD /c HTTP/1.1\r\nHost: localhost\r\n\r\n" + get("/d"));
  EXPECT_THAT(client.receive_until("\r\n\r\n"), HasSubstr("Content-Length: 8\r\n"));
  EXPECT_THAT(client.receive_response(), StartsWith("HTTP/1.1 200 OK\r\n")) << "HEAD has no body";
}

TEST_F(HttpServerTest, AnOldClientGetsItsConnectionClosed) {
  start();
  HttpClient client(server_->port());
  client.send("GET /a HTTP/1.0\r\n\r\n");
  EXPECT_THAT(client.receive_all(), EndsWith("Connection: close\r\n\r\nGET /a "));
  HttpClient streaming(server_->port());
  streaming.send("GET /stream HTTP/1.0\r\n\r\n");
  EXPECT_THAT(streaming.receive_all(), EndsWith("\r\n\r\none,two,"));
}

TEST_F(HttpServerTest, StreamsInChunks) {
  start();
  const std::string response = ask(get("/stream"));
  EXPECT_THAT(response, HasSubstr("Transfer-Encoding: chunked\r\n"));
  EXPECT_THAT(response, EndsWith("\r\n\r\n4\r\none,\r\n4\r\ntwo,\r\n0\r\n\r\n"));
}

TEST_F(HttpServerTest, ALargeBodyMayWaitForItsGo) {
  start();
  HttpClient client(server_->port());
  client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  EXPECT_EQ(client.receive_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("body");
  EXPECT_THAT(client.receive_response(), EndsWith("POST /echo body"));
}

TEST_F(HttpServerTest, WhatIsNoRequestIsRefused) {
  start({.max_header_bytes = 1000, .max_body_bytes = 1000});
  const std::string head = "POST / HTTP/1.1\r\nHost: localhost\r\n";
  const std::pair<std::string, const char*> cases[] = {
      {"\r\n\r\n\r\n", "400"},
      {"hello\r\n\r\n", "400"},
      {std::string(64, '\0') + "\r\n\r\n", "400"},
      {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "400"},  // TLS
      {"GET / HTTP/9.1\r\n\r\n", "400"},
      {"GET /\xff\x01 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"GET / HTTP/1.1\r\nNo colon\r\n\r\n", "400"},
      {head + "Content-Length: -1\r\n\r\n", "400"},
      {head + "Content-Length: 99999999999999999999999\r\n\r\n", "400"},
      {head + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", "400"},
      {head + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", "400"},
      {head + "Content-Length: 1001\r\n\r\n" + std::string(1001, 'x'), "413"},
      {head + "Transfer-Encoding: chunked\r\n\r\n7d0\r\n" + std::string(2000, 'x') + "\r\n0\r\n\r\n", "413"},
      {head + "X: " + std::string(2000, 'x') + "\r\n\r\n", "431"},
  };
  for (const auto& [bytes, status] : cases) {
    HttpClient client(server_->port());
    client.send(bytes);
    const std::string response = client.receive_all();
    EXPECT_THAT(response, StartsWith(std::string("HTTP/1.1 ") + status)) << bytes;
    EXPECT_THAT(response, HasSubstr("{\"error\":{\"message\":\"")) << bytes;
  }
  EXPECT_THAT(ask(get("/still/there")), EndsWith("GET /still/there "));
}

TEST_F(HttpServerTest, SlowSendersAreNotWaitedForForever) {
  start({.head_timeout = 500ms, .body_timeout = 500ms});
  for (const char* beginning : {"GET / HT", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab"}) {
    HttpClient client(server_->port());
    client.send(beginning);
    EXPECT_THAT(client.receive_all(), StartsWith("HTTP/1.1 408"));
  }
  HttpClient silent(server_->port());
  EXPECT_EQ(silent.receive_all(), "");
}

TEST_F(HttpServerTest, AFaultOfAHandlerIsAnError) {
  start();
  EXPECT_THAT(ask(get("/throw")), StartsWith("HTTP/1.1 500"));
  EXPECT_THAT(ask(get("/nothing")), StartsWith("HTTP/1.1 500"));
  EXPECT_THAT(ask(get("/a")), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, AClientThatLeavesIsNoticed) {
  for (const bool has_sent_more : {false, true}) {
    has_begun_ = {};
    is_written_ = {};
    may_end_ = {};
    may_end_.set_value();
    start();
    {
      HttpClient client(server_->port());
      client.send(get("/endless") + (has_sent_more ? get("/next") : ""));
      has_begun_.get_future().wait();
    }
    EXPECT_FALSE(is_written_.get_future().get()) << has_sent_more;
  }
}

TEST_F(HttpServerTest, MoreConnectionsThanMayBeWait) {
  start({.max_connections = 2});
  auto first = std::make_unique<HttpClient>(server_->port());
  HttpClient second(server_->port()), third(server_->port());
  third.send(get("/third"));
  second.send(get("/second"));
  EXPECT_THAT(second.receive_response(), EndsWith("GET /second "));
  first.reset();
  EXPECT_THAT(third.receive_response(), EndsWith("GET /third "));
}

TEST_F(HttpServerTest, StopLetsWhatRunsEnd) {
  start();
  const uint16_t port = server_->port();
  HttpClient running(port), idle(port);
  idle.send(get("/a"));
  idle.receive_response();
  running.send(get("/endless"));
  has_begun_.get_future().wait();
  std::thread stopping([&] { server_->stop(0ms); });
  // From the moment on that a stop has begun new requests are refused.
  std::string late;
  while (idle.send(get("/late")) && (late = idle.receive_response()).starts_with("HTTP/1.1 200")) {
  }
  EXPECT_THAT(late, AllOf(StartsWith("HTTP/1.1 503"), HasSubstr("Retry-After: "), HasSubstr("shutting down")));
  may_end_.set_value();
  EXPECT_THAT(running.receive_response(), EndsWith("more\r\n0\r\n\r\n")) << "it may say how it ends";
  stopping.join();
  EXPECT_FALSE(HttpClient(port).is_connected());
}

TEST_F(HttpServerTest, SaysWhyItCannotListen) {
  const auto no_address = HttpServer::start({.host = "example.org"}, {});
  ASSERT_FALSE(no_address);
  EXPECT_EQ(no_address.error().message, "host: expected an address of this machine or localhost, found example.org");
  start();
  const auto twice = HttpServer::start({.port = server_->port()}, {});
  ASSERT_FALSE(twice);
  EXPECT_THAT(twice.error().message, HasSubstr("cannot listen: "));
}

}  // namespace
}  // namespace sain::router
