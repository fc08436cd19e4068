// The client against a server that answers, fails, lies, breaks off or says nothing.
#include "router/cloud/chat_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/support/mock_chat_server.h"

namespace sain::router {
namespace {

using sain::testing::delta_event;
using sain::testing::http_head;
using sain::testing::kStreamEnd;
using sain::testing::MockChatServer;
using sain::testing::MockConnection;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

constexpr const char* kKey = "sk-test-0123456789";

struct Collector : engine::TokenSink {
  void on_text(std::string_view piece) override {
    text += piece;
    ++n_pieces;
  }
  std::string text;
  int n_pieces = 0;
};

class ChatClientTest : public ::testing::Test {
 protected:
  void SetUp() override { setenv("SAIN_TEST_KEY", kKey, 1); }
  void TearDown() override { unsetenv("SAIN_TEST_KEY"); }

  Result<CloudAnswer> chat(const MockChatServer& server, std::stop_token stop = {}) {
    options_.url = server.url();
    return client_.chat(messages_, options_, std::move(stop), sink_);
  }

  /// A server that answers every request with these bytes, and closes.
  static MockChatServer::Handler says(std::string bytes) {
    return [bytes = std::move(bytes)](const MockConnection& connection, const std::string&) { connection.send(bytes); };
  }

  std::vector<Message> messages_ = {{"system", "Be brief."}, {"user", "Say \"hello\"."}};
  CloudOptions options_ = {.url = {}, .model = "big", .key_variable = "SAIN_TEST_KEY"};
  CloudClient client_;
  Collector sink_;
};

const std::string kOk = http_head("200 OK", "text/event-stream; charset=utf-8");

TEST_F(ChatClientTest, StreamsAnAnswer) {
  MockChatServer server(says(kOk + delta_event("Hel") + ": ping\n\n" + delta_event("lo") + std::string(kStreamEnd)));
  const auto answer = chat(server);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->text, "Hello");
  EXPECT_EQ(sink_.text, "Hello");
  EXPECT_EQ(sink_.n_pieces, 2);
  EXPECT_EQ(answer->finish_reason, engine::FinishReason::kStop);
  EXPECT_EQ(answer->prompt_tokens, 7u);
  EXPECT_EQ(answer->completion_tokens, 2u);
  EXPECT_GT(answer->first_token_ms, 0);
}

TEST_F(ChatClientTest, SendsMessagesModelAndKey) {
  MockChatServer server(says(kOk + std::string(kStreamEnd)));
  const auto answer = chat(server);
  ASSERT_TRUE(answer) << answer.error().message;
  const std::string request = server.received();
  EXPECT_TRUE(request.starts_with("POST /v1/chat/completions HTTP/1.1\r\n")) << request;
  EXPECT_THAT(request, HasSubstr(std::string("Authorization: Bearer ") + kKey + "\r\n"));
  const std::string body = request.substr(request.find("\r\n\r\n") + 4);
  EXPECT_EQ(body, cloud_request_body(messages_, options_));
  EXPECT_EQ(answer->sent_bytes, body.size());
  const auto json = nlohmann::json::parse(body);
  EXPECT_EQ(json["model"], "big");
  EXPECT_EQ(json["stream"], true);
  EXPECT_EQ(json["messages"][1]["role"], "user");
  EXPECT_EQ(json["messages"][1]["content"], "Say \"hello\".");
  EXPECT_THAT(body, Not(HasSubstr(kKey)));
}

TEST_F(ChatClientTest, ReadsAWholeAnswerToo) {
  MockChatServer server(says(http_head("200 OK", "application/json") +
                             R"({"choices":[{"message":{"content":"Hi"},"finish_reason":"length"}]})"));
  const auto answer = chat(server);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->text, "Hi");
  EXPECT_EQ(answer->finish_reason, engine::FinishReason::kLength);
}

TEST_F(ChatClientTest, EndsWithTheStreamAndNotWithTheConnection) {
  MockChatServer server([](const MockConnection& connection, const std::string&) {
    connection.send(kOk + delta_event("Hi") + std::string(kStreamEnd));
    connection.wait_for_client_to_leave();
  });
  const auto start = std::chrono::steady_clock::now();
  const auto answer = chat(server);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
}

TEST_F(ChatClientTest, StatusesBecomeErrors) {
  const std::pair<const char*, ErrorCode> statuses[] = {{"400 Bad Request", ErrorCode::kInvalidArgument},
                                                        {"401 Unauthorized", ErrorCode::kInvalidArgument},
                                                        {"403 Forbidden", ErrorCode::kInvalidArgument},
                                                        {"404 Not Found", ErrorCode::kNotFound},
                                                        {"429 Too Many Requests", ErrorCode::kResourceExhausted},
                                                        {"500 Internal Server Error", ErrorCode::kIo},
                                                        {"503 Service Unavailable", ErrorCode::kIo}};
  for (const auto& [status, code] : statuses) {
    MockChatServer server(says(http_head(status, "application/json") +
                               R"({"error":{"message":"You said \"hello\"","code":"out_of_luck"}})"));
    const auto answer = chat(server);
    ASSERT_FALSE(answer) << status;
    EXPECT_EQ(answer.error().code, code) << status;
    EXPECT_THAT(answer.error().message,
                AllOf(HasSubstr(server.url()), HasSubstr(std::string("HTTP status ") + std::string(status, 3)),
                      HasSubstr("out_of_luck"), Not(HasSubstr("hello")), Not(HasSubstr(kKey))));
  }
}

TEST_F(ChatClientTest, NeverRepeatsTheKey) {
  const std::string echo = std::string(R"({"error":{"message":")") + kKey + R"(","code":")" + kKey + R"("}})";
  for (const std::string& response :
       {http_head("401 Unauthorized", "application/json") + echo, kOk + "data: " + echo + "\n\n", kOk + kKey,
        http_head("200 OK", "application/json") + kKey}) {
    MockChatServer server(says(response));
    const auto answer = chat(server);
    ASSERT_FALSE(answer);
    EXPECT_THAT(answer.error().message, AllOf(HasSubstr(server.url()), Not(HasSubstr(kKey))));
  }
}

TEST_F(ChatClientTest, ABrokenStreamIsAnError) {
  for (const std::string& response :
       {std::string(), std::string("HTTP/1.1 200"), kOk, kOk + delta_event("Hel"), kOk + "data: {\"choi",
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 5000\r\n\r\n" + delta_event("Hel")}) {
    MockChatServer server(says(response));
    const auto answer = chat(server);
    ASSERT_FALSE(answer) << response;
    EXPECT_EQ(answer.error().code, ErrorCode::kIo) << answer.error().message;
    EXPECT_THAT(answer.error().message, HasSubstr(server.url()));
  }
}

TEST_F(ChatClientTest, WhatIsNoChatCompletionIsCorrupt) {
  for (const char* data : {"{", "[]", "\"text\"", "{}", R"({"choices":3})", "\xFF\xFE",
                           R"({"choices":[{"delta":{"content":"\ud800"}}]})"}) {
    MockChatServer server(says(kOk + "data: " + data + "\n\n" + std::string(kStreamEnd)));
    const auto answer = chat(server);
    ASSERT_FALSE(answer) << data;
    EXPECT_EQ(answer.error().code, ErrorCode::kCorrupt) << answer.error().message;
  }
}

TEST_F(ChatClientTest, UnexpectedTypesAreNoText) {
  MockChatServer server(says(kOk +
                             "data: {\"choices\":[3]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":null}}]}\n\n"
                             "data: {\"choices\":[{\"delta\":[]}],\"usage\":{\"prompt_tokens\":-1}}\n\n" +
                             std::string(kStreamEnd)));
  const auto answer = chat(server);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->text, "");
}

TEST_F(ChatClientTest, StopEndsASilentServerWithin100Ms) {
  MockChatServer server([](const MockConnection& connection, const std::string&) {
    connection.send(kOk + delta_event("Hel"));
    EXPECT_TRUE(connection.wait_for_client_to_leave());
  });
  std::stop_source stop;
  std::chrono::steady_clock::time_point asked;
  std::thread stopper([&] {
    std::this_thread::sleep_for(200ms);
    asked = std::chrono::steady_clock::now();
    stop.request_stop();
  });
  const auto answer = chat(server, stop.get_token());
  const auto ended = std::chrono::steady_clock::now();
  stopper.join();
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_LT(ended - asked, 100ms);
  EXPECT_EQ(answer->finish_reason, engine::FinishReason::kCancelled);
  EXPECT_EQ(answer->text, "Hel");
}

TEST_F(ChatClientTest, AStopBeforeSendsNothing) {
  MockChatServer server(says(kOk + std::string(kStreamEnd)));
  std::stop_source stop;
  stop.request_stop();
  const auto answer = chat(server, stop.get_token());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->finish_reason, engine::FinishReason::kCancelled);
  EXPECT_EQ(server.received(), "");
}

TEST_F(ChatClientTest, SilenceEnds) {
  options_.idle_timeout_ms = 150;
  MockChatServer server([](const MockConnection& connection, const std::string&) {
    connection.send(kOk + delta_event("Hel"));
    connection.wait_for_client_to_leave();
  });
  const auto answer = chat(server);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kIo);
  EXPECT_THAT(answer.error().message, AllOf(HasSubstr(server.url()), HasSubstr("150 ms")));
}

TEST_F(ChatClientTest, HostileSizesAreBounded) {
  const auto floods = [](std::string head, std::string unit) {
    return [=](const MockConnection& connection, const std::string&) {
      if (!connection.send(head)) return;
      for (int i = 0; i < 200'000 && connection.send(unit); ++i) {
      }
    };
  };
  options_.max_response_bytes = size_t{3} << 20;
  const std::string x(1000, 'x');
  for (const auto& [head, unit] : {std::pair(kOk, x), std::pair(kOk, ":" + x + "\n"), std::pair(kOk, delta_event(x)),
                                   std::pair(http_head("200 OK", "application/json"), x)}) {
    MockChatServer server(floods(head, unit));
    const auto answer = chat(server);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, ErrorCode::kResourceExhausted) << answer.error().message;
  }
  MockChatServer server(floods(http_head("500 Internal Server Error", "text/plain"), x));
  const auto answer = chat(server);
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().message, HasSubstr("HTTP status 500"));
}

TEST_F(ChatClientTest, DeeplyNestedJsonIsHarmless) {
  MockChatServer server(says(kOk + "data: " + std::string(200'000, '[') + "\n\n"));
  EXPECT_EQ(chat(server).error().code, ErrorCode::kCorrupt);
}

TEST_F(ChatClientTest, RedirectionsAreNotFollowed) {
  MockChatServer other(says(kOk + std::string(kStreamEnd)));
  MockChatServer server(
      says("HTTP/1.1 307 Temporary Redirect\r\nLocation: " + other.url() + "\r\nContent-Length: 0\r\n\r\n"));
  const auto answer = chat(server);
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().message, HasSubstr("307"));
  EXPECT_EQ(other.received(), "");
}

TEST_F(ChatClientTest, NobodyThereIsAnError) {
  std::string url;
  { url = MockChatServer(says("")).url(); }
  options_.url = url;
  const auto answer = client_.chat(messages_, options_, {}, sink_);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kIo);
  EXPECT_THAT(answer.error().message, HasSubstr(url));
}

TEST_F(ChatClientTest, WithoutItsKeyNothingIsSent) {
  MockChatServer server(says(kOk + std::string(kStreamEnd)));
  unsetenv("SAIN_TEST_KEY");
  auto answer = chat(server);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(answer.error().message, HasSubstr("SAIN_TEST_KEY"));
  setenv("SAIN_TEST_KEY", "bad\r\nX-Header: 1", 1);
  answer = chat(server);
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().message, Not(HasSubstr("X-Header")));
  EXPECT_EQ(server.received(), "");
}

TEST_F(ChatClientTest, BrokenUtf8IsRepairedInTheBody) {
  messages_ = {{"user", "\xFFok"}};
  MockChatServer server(says(kOk + std::string(kStreamEnd)));
  ASSERT_TRUE(chat(server));
  EXPECT_THAT(server.received(), HasSubstr("\xEF\xBF\xBDok"));
}

TEST(CheckCloudUrl, TakesHttpsAndThisMachine) {
  for (const char* url :
       {"https://api.example.com/v1/chat/completions", "https://host:8443/x", "http://localhost:8080/v1",
        "http://127.0.0.1/v1", "http://127.8.9.1/v1", "http://[::1]:8080/v1"}) {
    EXPECT_TRUE(check_cloud_url(url)) << url;
  }
}

TEST(CheckCloudUrl, RefusesTheRest) {
  for (const char* url : {"", "host", "http://api.example.com/v1", "http://127.0.0.1.example.com/",
                          "http://localhost.example.com/", "ftp://localhost/", "file:///etc/passwd", "https://",
                          "https://me:secret@host/", "http://10.0.0.1/", "http://[::2]/"}) {
    const Status status = check_cloud_url(url);
    ASSERT_FALSE(status) << url;
    EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(status.error().message, Not(HasSubstr("secret")));
  }
}

}  // namespace
}  // namespace sain::router
