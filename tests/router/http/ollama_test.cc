#include "router/http/ollama.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "tests/router/http/fake_team.h"

namespace sain::router {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::StartsWith;

constexpr const char* kChat = R"({"model": "auto:latest", "messages": [{"role": "user", "content": "Hi"}])";

std::vector<json> lines(const RecordingWriter& writer) {
  std::vector<json> list;
  std::istringstream in(writer.response.body);
  for (std::string line; std::getline(in, line);) list.push_back(json::parse(line));
  return list;
}

TEST(Ollama, StreamsLinesUnlessItIsToldNotTo) {
  FakeApi api;
  const RecordingWriter writer = api.post("/api/chat", std::string(kChat) + "}");
  EXPECT_EQ(writer.response.content_type, "application/x-ndjson");
  const std::vector<json> list = lines(writer);
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list[0]["model"], "assistant");
  EXPECT_EQ(list[0]["message"], (json{{"role", "assistant"}, {"content", "Hel"}}));
  EXPECT_EQ(list[0]["done"], false);
  EXPECT_EQ(list[2]["done"], true);
  EXPECT_EQ(list[2]["done_reason"], "stop");
  EXPECT_EQ(list[2]["prompt_eval_count"], 7);
  EXPECT_EQ(list[2]["eval_count"], 3);
  const json whole = api.post("/api/chat", std::string(kChat) + R"(, "stream": false})").json();
  EXPECT_EQ(whole["message"]["content"], "Hello");
  EXPECT_EQ(whole["done"], true);
}

TEST(Ollama, GeneratesFromAPrompt) {
  FakeApi api;
  const json answer =
      api.post("/api/generate", R"({"model": "coding", "prompt": "a", "system": "b", "raw": true, "stream": false})")
          .json();
  EXPECT_EQ(answer["response"], "Hello");
  EXPECT_EQ(answer["model"], "coding");
  EXPECT_EQ(api.team->asked, "a");
  EXPECT_TRUE(api.team->asked_options.answer.is_raw);
  EXPECT_EQ(api.team->asked_options.answer.system_prompt, "b");
}

TEST(Ollama, OptionsReachTheAnswer) {
  const auto asked = parse_ollama(
      std::string(kChat) + R"(, "options": {"temperature": 0.5, "top_k": 3, "num_predict": 7, "seed": 1, "stop": ["x"],
                                            "repeat_penalty": 1.5, "num_ctx": 1000}})",
      OllamaUse::kChat);
  ASSERT_TRUE(asked) << asked.error().message;
  const AnswerOptions& answer = asked->call.options.answer;
  EXPECT_EQ(answer.temperature, 0.5f);
  EXPECT_EQ(answer.top_k, 3);
  EXPECT_EQ(answer.max_tokens, 7u);
  EXPECT_EQ(answer.seed, 1u);
  EXPECT_EQ(answer.repetition_penalty, 1.5f);
  EXPECT_THAT(answer.stop_strings, ElementsAre("x"));
}

TEST(Ollama, ListsModelsAndItsVersion) {
  FakeApi api;
  const json models = api.ask(http_request("GET", "/api/tags")).json()["models"];
  ASSERT_EQ(models.size(), 3u);
  EXPECT_EQ(models[0]["name"], "auto:latest");
  EXPECT_FALSE(api.ask(http_request("GET", "/api/version")).json()["version"].get<std::string>().empty());
}

TEST(Ollama, ErrorsHaveItsForm) {
  FakeApi api;
  const auto error = [&](const char* path, const std::string& body, int status) {
    const RecordingWriter writer = api.post(path, body);
    EXPECT_EQ(writer.response.status, status) << body;
    return writer.json()["error"].get<std::string>();
  };
  EXPECT_THAT(error("/api/chat", R"({"messages": []})", 400), StartsWith("model: expected"));
  EXPECT_THAT(error("/api/chat", std::string(kChat) + R"(, "options": {"top_p": 5}})", 400),
              StartsWith("options.top_p: expected"));
  EXPECT_THAT(error("/api/chat", std::string(kChat) + R"(, "options": {"num_predict": -7}})", 400),
              StartsWith("options.num_predict: expected"));
  EXPECT_THAT(error("/api/chat", std::string(kChat) + R"(, "format": "xml"})", 400), StartsWith("format: expected"));
  EXPECT_THAT(error("/api/chat", std::string(kChat) + R"(, "format": {"type": "tree"}})", 400),
              StartsWith("format: expected"));
  EXPECT_THAT(error("/api/generate", R"({"model": "auto"})", 400), StartsWith("prompt: expected"));
  EXPECT_THAT(error("/api/generate", R"({"model": "llama3", "prompt": "a"})", 404), StartsWith("model: there is no"));
}

}  // namespace
}  // namespace sain::router
