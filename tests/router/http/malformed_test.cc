// Requests that are wrong in every way, by the thousands: each gets a 4xx with a message, or its connection is closed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "router/http/http_server.h"
#include "tests/router/http/fake_team.h"
#include "tests/support/http_client.h"

namespace sain::router {
namespace {

using sain::testing::HttpClient;
using sain::testing::post;
using ::testing::MatchesRegex;

constexpr std::pair<const char*, const char*> kRequests[] = {
    {"/v1/chat/completions",
     R"({"model": "auto", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9, "temperature": 0.5, "stop": ["x"],
         "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}], "seed": 1, "n": 2})"},
    {"/v1/completions", R"({"prompt": "Hi", "logprobs": 1, "logit_bias": {"5": 1}, "grammar": "root ::= \"a\""})"},
    {"/v1/responses",
     R"({"input": [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}], "top_p": 1})"},
    {"/v1/embeddings", R"({"model": "auto", "input": ["Hi", "you"], "encoding_format": "float"})"},
    {"/v1/messages", R"({"max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}], "stop_sequences": ["x"]})"},
    {"/api/chat",
     R"({"model": "auto", "messages": [{"role": "user", "content": "Hi"}], "options": {"num_predict": 9}})"},
    {"/api/generate", R"({"model": "auto", "prompt": "Hi", "format": {"type": "object"}, "stream": false})"}};

/// A request that something has been done to.
class Damage {
 public:
  explicit Damage(unsigned seed) : random_(seed) {}

  struct Request {
    std::string bytes;
    bool has_head = true;  // as it should be
  };

  Request request() {
    const auto& [path, body] = kRequests[below(std::size(kRequests))];
    std::string damaged = body;
    for (size_t n = 1 + below(3); n > 0; --n) change(damaged);
    Request request = {post(path, damaged)};
    request.has_head = below(4) != 0;
    if (!request.has_head) change(request.bytes);
    return request;
  }

 private:
  size_t below(size_t n) { return random_() % n; }

  void change(std::string& text) {
    static const std::string kPieces[] = {"-1",
                                          "1e999",
                                          "99999999999999999999999",
                                          "\xFF\xFE",
                                          "\xED\xA0\x80",
                                          "\"\\ud800\"",
                                          "null",
                                          "{}",
                                          "[]",
                                          "\r\n\r\n",
                                          std::string(1, '\0'),
                                          "\"",
                                          std::string(5000, '['),
                                          std::string(3000, 'x')};
    const size_t at = below(text.size() + 1);
    switch (below(5)) {
      case 0:
        text.resize(at);
        break;
      case 1:
        text.erase(at, 1 + below(8));
        break;
      case 2:
        if (at < text.size()) text[at] = static_cast<char>(below(256));
        break;
      case 3: {  // a value for another
        const size_t colon = text.find(": ", at);
        if (colon != std::string::npos)
          text.replace(colon + 2, text.find_first_of(",}", colon) - colon - 2, kPieces[below(std::size(kPieces))]);
        break;
      }
      default:
        text.insert(at, kPieces[below(std::size(kPieces))]);
    }
  }

  std::mt19937 random_;
};

TEST(Malformed, TenThousandRequests) {
  FakeApi api;
  const auto server = HttpServer::start(
      {}, [&](const HttpRequest& request, ResponseWriter& writer) { api.api.handle(request, writer); });
  ASSERT_TRUE(server) << server.error().message;
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Damage damage(seed);
  size_t n_refused = 0;
  for (int i = 0; i < 10'000; ++i) {
    const auto [request, has_head] = damage.request();
    HttpClient client((*server)->port());
    client.send(request);
    if (!has_head) client.end();  // the server might wait for more
    const std::string response = has_head ? client.receive_response() : client.receive_all();
    if (response.empty()) continue;  // closed
    ASSERT_THAT(response.substr(0, 12), MatchesRegex("HTTP/1.1 [24]..")) << request << "\n" << response;
    if (response[9] != '4') continue;  // it did no harm
    ++n_refused;
    ASSERT_THAT(response, ::testing::HasSubstr("error\":")) << request;
  }
  EXPECT_GT(n_refused, 3000u) << "most do harm";
  EXPECT_EQ(api.post(kRequests[0].first, kRequests[0].second).response.status, 200);
}

}  // namespace
}  // namespace sain::router
