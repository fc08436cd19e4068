#include "router/http/api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sodium.h>

#include <algorithm>

#include "tests/router/http/fake_team.h"

namespace sain::router {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;

constexpr const char* kHello = R"({"messages": [{"role": "user", "content": "Hi"}]})";

HttpRequest with_headers(HttpRequest request, std::vector<std::pair<std::string, std::string>> headers) {
  request.headers = std::move(headers);
  return request;
}

// R23.
TEST(Api, SaysWhetherItCouldAnswer) {
  Api api({});
  for (const char* path : {"/health", "/ready", "/metrics", "/v1/status", "/v1/models"}) {
    RecordingWriter writer;
    api.handle(http_request("GET", path), writer);
    EXPECT_EQ(writer.response.status, 503) << path;
    EXPECT_THAT(writer.response.headers, Contains(Key("Retry-After")));
  }
  FakeApi open;
  for (const char* path : {"/health", "/ready", "/metrics", "/v1/status", "/v1/models"})
    EXPECT_EQ(open.ask(http_request("GET", path)).response.status, 200) << path;
  EXPECT_EQ(open.ask(http_request("GET", "/metrics")).response.body, "sain_requests_total 0\n");
  EXPECT_EQ(open.ask(http_request("GET", "/v1/status")).json()["requests"], 0);
}

TEST(Api, ListsWhoCanBeAsked) {
  const nlohmann::json list = FakeApi().ask(http_request("GET", "/v1/models")).json();
  EXPECT_EQ(list["object"], "list");
  ASSERT_EQ(list["data"].size(), 3u);
  EXPECT_EQ(list["data"][0]["id"], "auto");
  EXPECT_EQ(list["data"][1]["id"], "assistant");
  EXPECT_EQ(list["data"][2]["id"], "coding");
  EXPECT_EQ(list["data"][2]["object"], "model");
  EXPECT_EQ(FakeApi().ask(http_request("GET", "/v1/models/coding")).json(), list["data"][2]);
  for (const char* name : {"", "llama3", "coding/"})
    EXPECT_EQ(FakeApi().ask(http_request("GET", std::string("/v1/models/") + name)).response.status, 404) << name;
}

TEST(Api, TellsWhatItTakes) {
  FakeApi api;
  const nlohmann::json document = api.ask(http_request("GET", "/openapi.json")).json();
  ASSERT_TRUE(document.contains("paths"));
  for (const auto& [path, methods] : document["paths"].items())
    for (const auto& [method, operation] : methods.items()) {
      if (method == "parameters") continue;
      std::string expected = method;
      std::ranges::transform(expected, expected.begin(), [](char c) { return static_cast<char>(c - 'a' + 'A'); });
      const RecordingWriter writer = api.ask(http_request("TRACE", path.substr(0, path.find('{'))));
      EXPECT_EQ(writer.response.status, 405) << path;
      EXPECT_THAT(writer.response.headers, Contains(Pair("Allow", HasSubstr(expected)))) << path;
    }
}

TEST(Api, UnknownPathsAndMethodsAreErrors) {
  FakeApi api;
  const RecordingWriter nowhere = api.ask(http_request("GET", "/v1/../etc/passwd"));
  EXPECT_EQ(nowhere.response.status, 404);
  EXPECT_EQ(nowhere.json()["error"]["message"], "there is no /v1/../etc/passwd");
  const RecordingWriter get = api.ask(http_request("GET", "/v1/chat/completions"));
  EXPECT_EQ(get.response.status, 405);
  EXPECT_THAT(get.response.headers, Contains(Pair("Allow", "POST, OPTIONS")));
  const RecordingWriter options = api.ask(http_request("OPTIONS", "/v1/models"));
  EXPECT_EQ(options.response.status, 204);
  EXPECT_THAT(options.response.headers, Contains(Pair("Allow", "GET, HEAD, OPTIONS")));
  EXPECT_EQ(api.ask(http_request("HEAD", "/v1/models")).response.status, 200);
}

TEST(Api, AForeignHostOrOriginIsRefused) {
  FakeApi api({.access = {.hosts = {"sain.example"}, .origins = {"https://friend.example"}}});
  const auto status = [&](std::vector<std::pair<std::string, std::string>> headers) {
    return api.ask(with_headers(http_request("GET", "/v1/models"), std::move(headers))).response.status;
  };
  for (const char* host : {"localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080", "sain.example"})
    EXPECT_EQ(status({{"host", host}}), 200) << host;
  for (const char* host : {"", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "::1"})
    EXPECT_EQ(status({{"host", host}}), 403) << host;
  EXPECT_EQ(status({}), 403);
  const std::pair<std::string, std::string> host = {"host", "localhost:8080"};
  for (const char* origin : {"http://localhost:8080", "https://friend.example"})
    EXPECT_EQ(status({host, {"origin", origin}}), 200) << origin;
  for (const char* origin : {"http://localhost:9", "https://evil.example", "null", "https://friend.example.evil"})
    EXPECT_EQ(status({host, {"origin", origin}}), 403) << origin;
  const auto friendly =
      api.ask(with_headers(http_request("OPTIONS", "/v1/models"), {host, {"origin", "https://friend.example"}}));
  EXPECT_THAT(friendly.response.headers, Contains(Pair("Access-Control-Allow-Origin", "https://friend.example")));
  EXPECT_THAT(FakeApi().ask(http_request("GET", "/v1/models")).response.headers, IsEmpty());
}

TEST(Api, AsksForAKeyWhereThereAreAny) {
  const std::string key = "sk-0123456789abcdef", other = "sk-fedcba9876543210";
  unsigned char hash[32];
  char hex[65];
  crypto_generichash(hash, sizeof hash, reinterpret_cast<const unsigned char*>(other.data()), other.size(), nullptr, 0);
  sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
  const auto keys = ApiKeys::parse("# mine\n" + key + " \r\n\nblake2b:" + hex + "\n", "keys");
  ASSERT_TRUE(keys) << keys.error().message;
  FakeApi api({.access = {.keys = *keys}});
  const auto ask = [&](const char* path, std::vector<std::pair<std::string, std::string>> headers) {
    headers.push_back({"host", "localhost"});
    return api.ask(with_headers(http_request("GET", path), std::move(headers)));
  };
  EXPECT_EQ(ask("/v1/models", {}).response.status, 401);
  EXPECT_EQ(ask("/v1/models", {{"authorization", "Bearer wrong-wrong-wrong"}}).response.status, 401);
  EXPECT_EQ(ask("/v1/models", {{"authorization", "Bearer " + key}}).response.status, 200);
  EXPECT_EQ(ask("/v1/models", {{"x-api-key", other}}).response.status, 200);
  EXPECT_EQ(ask("/v1/models", {{"x-api-key", std::string("blake2b:") + hex}}).response.status, 401);
  EXPECT_EQ(ask("/health", {}).response.status, 200);
  EXPECT_EQ(ask("/v1/models", {}).json()["error"]["type"], "authentication_error");
}

TEST(Api, AFileOfKeysIsChecked) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "keys: expected a key at least"},
      {"# none\n", "keys: expected a key at least"},
      {"\nshort\n", "keys:2: expected a key of at least 16 bytes, found 5"},
      {"blake2b:12", "keys:1: expected 64 hexadecimal digits after blake2b:"},
      {"blake2b:xyz", "keys:1: expected 64 hexadecimal digits after blake2b:"},
  };
  for (const auto& [text, message] : cases) {
    const auto keys = ApiKeys::parse(text, "keys");
    ASSERT_FALSE(keys) << text;
    EXPECT_EQ(keys.error().message, message);
  }
}

TEST(Api, EachKeyHasLimitsOfItsOwn) {
  const std::string first = "Bearer sk-0123456789abcdef", second = "Bearer sk-fedcba9876543210";
  const auto keys = ApiKeys::parse(first.substr(7) + "\n" + second.substr(7), "keys");
  ASSERT_TRUE(keys) << keys.error().message;
  const auto ask = [](FakeApi& api, const std::string& key, HttpRequest request) {
    return api.ask(with_headers(std::move(request), {{"host", "localhost"}, {"authorization", key}}));
  };
  const HttpRequest hello = http_request("POST", "/v1/chat/completions", kHello);
  FakeApi requests({.access = {.keys = *keys}, .limits = {.requests_per_minute = 2}});
  EXPECT_EQ(ask(requests, first, hello).response.status, 200);
  EXPECT_EQ(ask(requests, first, hello).response.status, 200);
  const auto refused = ask(requests, first, hello);
  EXPECT_EQ(refused.response.status, 429);
  EXPECT_THAT(refused.response.headers, Contains(Pair("Retry-After", "30")));
  EXPECT_EQ(refused.json()["error"]["code"], "rate_limit_exceeded");
  EXPECT_EQ(ask(requests, second, hello).response.status, 200);
  EXPECT_EQ(ask(requests, first, http_request("GET", "/v1/models")).response.status, 200) << "only answers count";
  FakeApi tokens({.access = {.keys = *keys}, .limits = {.tokens_per_minute = 10}});  // what an answer takes
  EXPECT_EQ(ask(tokens, first, hello).response.status, 200);
  EXPECT_EQ(ask(tokens, first, hello).response.status, 429);
  EXPECT_EQ(ask(tokens, second, hello).response.status, 200);
}

TEST(Api, MoreAnswersThanMayRunAreToldToTryAgain) {
  FakeApi api({.max_running = 1});
  RecordingWriter inner;
  struct Nested : FakeTeam {
    Status handle(Conversation&, std::string_view, const RequestOptions&, const EventSink& sink,
                  std::stop_token) override {
      api->handle(http_request("POST", "/v1/chat/completions", kHello), *writer);
      sink(DoneEvent{});
      return {};
    }
    Api* api = nullptr;
    RecordingWriter* writer = nullptr;
  };
  const auto team = std::make_shared<Nested>();
  team->api = &api.api;
  team->writer = &inner;
  api.team = team;
  EXPECT_EQ(api.post("/v1/chat/completions", kHello).response.status, 200);
  EXPECT_EQ(inner.response.status, 429);
  EXPECT_THAT(inner.response.headers, Contains(Key("Retry-After")));
  EXPECT_EQ(inner.json()["error"]["type"], "rate_limit_error");
  inner = {};
  EXPECT_EQ(api.post("/v1/chat/completions", kHello).response.status, 200) << "places come back";
}

}  // namespace
}  // namespace sain::router
