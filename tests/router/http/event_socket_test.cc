#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "router/http/http_server.h"
#include "tests/router/http/fake_team.h"
#include "tests/support/http_client.h"

namespace sain::router {
namespace {

namespace net = boost::asio;
namespace websocket = boost::beast::websocket;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class SocketClient {
 public:
  explicit SocketClient(uint16_t port, const char* path = "/v1/ws") {
    socket_.next_layer().connect({net::ip::address_v4::loopback(), port});
    socket_.handshake("localhost", path, error_);
  }

  boost::system::error_code error() const { return error_; }
  void send(const std::string& text) { socket_.write(net::buffer(text)); }
  void ask(const std::string& text) { send(json({{"event", "request"}, {"text", text}}).dump()); }
  void cancel() { send(R"({"event": "cancel"})"); }

  /// null: the connection has ended.
  json receive() {
    boost::beast::flat_buffer buffer;
    socket_.read(buffer, error_);
    return error_ ? json() : json::parse(boost::beast::buffers_to_string(buffer.data()));
  }
  std::vector<json> receive_answer() {
    std::vector<json> events;
    do {
      events.push_back(receive());
    } while (!events.back().is_null() && events.back()["event"] != "done" && events.back()["event"] != "error");
    return events;
  }

 private:
  net::io_context io_;
  websocket::stream<net::ip::tcp::socket> socket_{io_};
  boost::system::error_code error_;
};

/// Begins an answer to "wait", and ends it when it may or must. Once.
struct PatientTeam : FakeTeam {
  Status handle(Conversation& conversation, std::string_view request, const RequestOptions& options,
                const EventSink& sink, std::stop_token stop) override {
    if (request != "wait") return FakeTeam::handle(conversation, request, options, sink, stop);
    sink(TokenEvent{kAssistant, "Hm"});
    const std::stop_callback on_stop(stop, [this] { may_end.set_value(); });
    may_end.get_future().wait();
    const auto reason = stop.stop_requested() ? engine::FinishReason::kCancelled : engine::FinishReason::kStop;
    sink(DoneEvent{kAssistant, true, reason, 0, {}, {}, 1});
    has_ended.set_value();
    return {};
  }
  std::promise<void> may_end, has_ended;
};

class EventSocketTest : public ::testing::Test {
 protected:
  void start(ApiOptions options = {}) {
    api_ = std::make_unique<FakeApi>(std::move(options));
    api_->team = team_ = std::make_shared<PatientTeam>();
    auto server = HttpServer::start(
        {}, [this](const HttpRequest& request, ResponseWriter& writer) { api_->api.handle(request, writer); });
    ASSERT_TRUE(server) << server.error().message;
    server_ = *std::move(server);
  }

  static std::string kinds(const std::vector<json>& events) {
    std::string kinds;
    for (const json& event : events) kinds += (event.is_null() ? "end" : event["event"].get<std::string>()) + " ";
    return kinds;
  }

  std::shared_ptr<PatientTeam> team_;
  std::unique_ptr<FakeApi> api_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(EventSocketTest, AnswersOneRequestAfterTheOther) {
  start();
  SocketClient client(server_->port());
  ASSERT_FALSE(client.error()) << client.error().message();
  client.ask("Hello!");
  const auto events = client.receive_answer();
  EXPECT_EQ(kinds(events), "route handoff token token done ");
  EXPECT_EQ(events[2]["text"], "Hel");
  client.send(R"({"event": "request", "text": "Some code", "mode": "slow", "priority": "background"})");
  EXPECT_EQ(kinds(client.receive_answer()), "route status handoff token token done ");
  EXPECT_EQ(team_->asked, "Some code");
  EXPECT_EQ(team_->asked_options.mode, Mode::kSlow);
  EXPECT_EQ(team_->asked_options.priority, Priority::kBackground);
}

TEST_F(EventSocketTest, WhatIsNoRequestCostsNothing) {
  start();
  SocketClient client(server_->port());
  const std::pair<const char*, const char*> cases[] = {
      {"hello", "JSON"},
      {"[]", "object"},
      {"{}", "request.event"},
      {R"({"event": "done"})", "request.event: expected request"},
      {R"({"event": "request"})", "request.text"},
      {R"({"event": "request", "text": "Hi", "mode": "loud"})", "request.mode"},
      {R"({"event": 1})", "request.event"},
  };
  for (const auto& [text, message] : cases) {
    client.send(text);
    const json error = client.receive();
    EXPECT_EQ(error["event"], "error") << text;
    EXPECT_EQ(error["code"], "invalid_argument") << text;
    EXPECT_THAT(error["message"].get<std::string>(), HasSubstr(message)) << text;
  }
  client.cancel();
  client.ask("Hello!");
  EXPECT_EQ(kinds(client.receive_answer()), "route handoff token token done ");
}

TEST_F(EventSocketTest, AnAnswerIsCancelled) {
  start();
  SocketClient client(server_->port());
  client.ask("wait");
  EXPECT_EQ(client.receive()["text"], "Hm");
  client.ask("Hello!");
  EXPECT_THAT(client.receive()["message"].get<std::string>(), HasSubstr("has no answer yet"));
  client.cancel();
  EXPECT_EQ(client.receive()["finish_reason"], "cancelled");
  client.ask("Hello!");
  EXPECT_EQ(kinds(client.receive_answer()), "route handoff token token done ");
}

TEST_F(EventSocketTest, AClientThatLeavesStopsItsAnswer) {
  start();
  {
    SocketClient client(server_->port());
    client.ask("wait");
    EXPECT_EQ(client.receive()["text"], "Hm");
  }
  team_->has_ended.get_future().wait();
}

TEST_F(EventSocketTest, EachAnswerNeedsAPlace) {
  start({.max_running = 1});
  SocketClient first(server_->port()), second(server_->port());
  first.ask("wait");
  EXPECT_EQ(first.receive()["text"], "Hm");
  second.ask("Hello!");
  EXPECT_EQ(second.receive()["code"], "resource_exhausted");
  first.cancel();
  EXPECT_EQ(first.receive()["event"], "done");
  second.ask("Hello!");
  EXPECT_EQ(kinds(second.receive_answer()), "route handoff token token done ");
}

TEST_F(EventSocketTest, NoMoreSocketsThanThereArePlaces) {
  start();
  std::vector<std::unique_ptr<SocketClient>> clients;
  for (unsigned i = 0; i < Api::kMaxSockets; ++i) {
    clients.push_back(std::make_unique<SocketClient>(server_->port()));
    ASSERT_FALSE(clients.back()->error()) << i;
  }
  EXPECT_EQ(SocketClient(server_->port()).error(), websocket::error::upgrade_declined);
}

TEST_F(EventSocketTest, AServerThatEndsWaitsForAnswersAlone) {
  start();
  SocketClient idle(server_->port()), busy(server_->port());
  ASSERT_FALSE(idle.error());
  busy.ask("wait");
  EXPECT_EQ(busy.receive()["text"], "Hm");
  const auto stopping = std::async(std::launch::async, [&] { server_->stop(std::chrono::hours(24)); });
  EXPECT_TRUE(idle.receive().is_null());
  team_->may_end.set_value();
  EXPECT_EQ(busy.receive()["event"], "done");
}

TEST_F(EventSocketTest, OthersAreToldWhatItIs) {
  start();
  sain::testing::HttpClient client(server_->port());
  client.send(sain::testing::get("/v1/ws"));
  const std::string response = client.receive_response();
  EXPECT_THAT(response, StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(response, HasSubstr("Upgrade: websocket"));
  EXPECT_EQ(SocketClient(server_->port(), "/v1/models").error(), websocket::error::upgrade_declined);
}

}  // namespace
}  // namespace sain::router
