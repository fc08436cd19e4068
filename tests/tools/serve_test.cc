// `sain serve` on real weights, as clients meet it.
#include <signal.h>

#include <cmath>
#include <thread>

#include "tests/support/http_client.h"
#include "tests/tools/program.h"

namespace sain::test {
namespace {

using nlohmann::json;
using sain::testing::get;
using sain::testing::HttpClient;
using sain::testing::post;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// So few examples that training takes no time.
constexpr const char* kConfig = R"(
context_length = 512
[routing]
layer = 4
threshold = 0.5
[assistant]
name = "Ada"
model = "smollm2-135m-instruct"
max_tokens = 8
intents = { talk = ["Hello!", "How are you?", "Good morning", "Thank you", "Tell me a joke", "What is your name?"] }
[[specialist]]
name = "coding"
model = "smollm2-135m-instruct"
max_tokens = 8
intents = { code = ["Write a Python function", "Fix this C++ loop", "Sort an array in Java", "What does this code do?"] }
)";

constexpr const char* kChat = "/v1/chat/completions";

class ServeCommand : public RealModelTest {
 protected:
  void SetUp() override {
    RealModelTest::SetUp();
    if (HasFatalFailure()) return;
    constexpr std::string_view kListening = "listening on http://127.0.0.1:";
    server_ = std::make_unique<Subprocess>(std::vector<std::string>{
        SAIN_PROGRAM, "serve", "--config", config_.path(), "--port", "0", "--exact", "--conversations", "none"});
    size_t found;
    while ((found = server_->err().find(kListening)) == std::string::npos ||
           server_->err().find('\n', found) == std::string::npos)
      ASSERT_TRUE(server_->pump()) << server_->err();
    port_ = static_cast<uint16_t>(std::stoi(server_->err().substr(found + kListening.size())));
    while (!ask(get("/health")).starts_with("HTTP/1.1 200"))
      ASSERT_TRUE(HttpClient(port_).is_connected()) << server_->wait().err;
  }
  void TearDown() override {
    if (server_ == nullptr) return;
    server_->send_signal(SIGTERM);
    const ProcessResult result = server_->wait();
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.err, HasSubstr("shutting down"));
  }

  std::string ask(std::string_view request) const {
    HttpClient client(port_);
    client.send(request);
    return client.receive_response();
  }
  json json_of_body(const std::string& response) const {
    json body = json::parse(response.substr(response.find("\r\n\r\n") + 4), nullptr, false);
    EXPECT_FALSE(body.is_discarded()) << response;
    return body;
  }
  json ask_json(std::string_view path, const json& body) const { return json_of_body(ask(post(path, body.dump()))); }

  static json chat(const std::string& text, const json& fields = json::object()) {
    json body = {{"temperature", 0}, {"messages", json::array({{{"role", "user"}, {"content", text}}})}};
    body.update(fields);
    return body;
  }
  static std::string content(const json& answer) { return answer["choices"][0]["message"]["content"]; }

  TemporaryFile config_{"serve.toml", kConfig};
  std::unique_ptr<Subprocess> server_;
  uint16_t port_ = 0;
};

TEST_F(ServeCommand, RoutesAndAnswers) {
  const json talk = ask_json(kChat, chat("Hello, how are you?"));
  EXPECT_EQ(talk["model"], "assistant");
  EXPECT_EQ(talk["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(talk["usage"]["completion_tokens"], 8);
  EXPECT_EQ(ask_json(kChat, chat("Write a Python function that adds."))["model"], "coding");
  EXPECT_EQ(ask_json(kChat, chat("Hello!", {{"model", "coding"}}))["model"], "coding");

  // The same, as a stream.
  const std::string stream = ask(post(kChat, chat("Hello, how are you?", {{"stream", true}}).dump()));
  std::string streamed;
  for (size_t at = 0; (at = stream.find("data: {", at)) != std::string::npos; ++at)
    streamed +=
        json::parse(stream.substr(at + 6, stream.find('\n', at) - at - 6))["choices"][0]["delta"].value("content", "");
  EXPECT_EQ(streamed, content(talk));
}

TEST_F(ServeCommand, AnswersHaveTheFormThatIsAskedFor) {
  const json schema = json::parse(R"({
    "type": "object", "required": ["name", "age", "tags"], "additionalProperties": false,
    "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "minimum": 0, "maximum": 150},
                   "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 2}}})");
  const auto expect_fits = [](const std::string& text) {
    const json answer = json::parse(text, nullptr, false);
    ASSERT_TRUE(answer.is_object()) << text;
    EXPECT_EQ(answer.size(), 3u) << text;
    EXPECT_TRUE(answer["name"].is_string()) << text;
    EXPECT_LE(answer["age"], 150) << text;
    EXPECT_LE(answer["tags"].size(), 2u) << text;
  };
  // One after the other: a plan of two steps would give two answers.
  const char* request = "Describe a person as JSON, then translate it into German.";
  json fields = {{"model", "assistant"}, {"max_completion_tokens", 100}};
  fields["response_format"] = {{"type", "json_schema"}, {"json_schema", {{"name", "person"}, {"schema", schema}}}};
  for (const int seed : {1, 2}) {
    fields.update({{"temperature", 1.5}, {"seed", seed}});
    const json answer = ask_json(kChat, chat(request, fields));
    EXPECT_EQ(answer["choices"][0]["finish_reason"], "stop") << answer;
    expect_fits(content(answer));
  }
  const json ollama = {{"model", "coding"},
                       {"stream", false},
                       {"format", schema},
                       {"options", {{"num_predict", 100}}},
                       {"messages", {{{"role", "user"}, {"content", request}}}}};
  expect_fits(ask_json("/api/chat", ollama)["message"]["content"]);
  const json response = {{"input", request},
                         {"max_output_tokens", 100},
                         {"text", {{"format", {{"type", "json_schema"}, {"name", "person"}, {"schema", schema}}}}}};
  expect_fits(ask_json("/v1/responses", response)["output"][0]["content"][0]["text"]);
  fields = {{"model", "assistant"}, {"grammar", "root ::= \"yes\" | \"no\""}};
  EXPECT_THAT(content(ask_json(kChat, chat("Is water wet?", fields))), ::testing::AnyOf("yes", "no"));
}

TEST_F(ServeCommand, WhatARequestSaysCounts) {
  const json fields = {{"model", "assistant"}, {"max_completion_tokens", 20}};
  const std::string whole = content(ask_json(kChat, chat("Tell me a joke", fields)));
  json more = fields;
  const std::string word = whole.substr(whole.find(' ') + 1, 3);
  more["stop"] = word;
  EXPECT_EQ(content(ask_json(kChat, chat("Tell me a joke", more))), whole.substr(0, whole.find(word)));

  more = fields;
  more.update({{"temperature", 2}, {"seed", 4}});
  const std::string seeded = content(ask_json(kChat, chat("Tell me a joke", more)));
  EXPECT_EQ(content(ask_json(kChat, chat("Tell me a joke", more))), seeded);
  more["seed"] = 5;
  EXPECT_NE(content(ask_json(kChat, chat("Tell me a joke", more))), seeded);

  more = fields;
  more.update({{"logprobs", true}, {"top_logprobs", 2}});
  const json measured = ask_json(kChat, chat("Tell me a joke", more));
  const json& logprobs = measured["choices"][0]["logprobs"]["content"];
  ASSERT_EQ(logprobs.size(), measured["usage"]["completion_tokens"]);
  EXPECT_EQ(logprobs[0]["token"], logprobs[0]["top_logprobs"][0]["token"]) << "greedy";

  const json counted = ask_json("/v1/messages/count_tokens", chat("Tell me a joke", {{"system", "Be brief."}}));
  json system = chat("Tell me a joke", fields);
  const json instruction = {{"role", "system"}, {"content", "Be brief."}};
  system["messages"].insert(system["messages"].begin(), instruction);
  EXPECT_EQ(ask_json(kChat, system)["usage"]["prompt_tokens"], counted["input_tokens"]);

  const std::string too_long = ask(post(kChat, chat(std::string(9000, 'a')).dump()));
  EXPECT_THAT(too_long, AllOf(StartsWith("HTTP/1.1 400"), HasSubstr("there is room for")));
}

TEST_F(ServeCommand, SpeaksTheOtherApis) {
  const json raw = ask_json("/v1/completions", {{"prompt", "The capital of France is"}, {"temperature", 0}});
  EXPECT_THAT(raw["choices"][0]["text"].get<std::string>(), StartsWith(" Paris"));
  EXPECT_EQ(raw["usage"]["prompt_tokens"], 5);
  const json vectors = ask_json("/v1/embeddings", {{"input", {"Hello", "Good morning"}}});
  double squares = 0;
  for (const double x : vectors["data"][1]["embedding"]) squares += x * x;
  EXPECT_NEAR(squares, 1, 1e-4);
  const json message = ask_json("/v1/messages", chat("Hello!", {{"max_tokens", 4}}));
  EXPECT_EQ(message["usage"]["output_tokens"], 4);
  const json line = ask_json("/api/chat", chat("Hello!", {{"model", "assistant"}, {"stream", false}}));
  EXPECT_EQ(line["eval_count"], 8);
}

TEST_F(ServeCommand, AClientThatLeavesStopsItsAnswer) {
  {
    HttpClient client(port_);
    client.send(post(
        kChat, chat("Tell me a joke", {{"stream", true}, {"max_tokens", 400}, {"logit_bias", {{"2", -100}}}}).dump()));
    EXPECT_THAT(client.receive_until("\"content\""), HasSubstr("200 OK"));
  }
  json status;
  do status = json_of_body(ask(get("/v1/status")));
  while (status["requests"] == 0);
  EXPECT_EQ(status["cancelled"], 1);
  EXPECT_THAT(ask(get("/metrics")), HasSubstr("sain_requests_total"));
}

}  // namespace
}  // namespace sain::test
