// A server that is killed while it answers: whatever it has kept is whole.
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <random>

#include "formats/utf8.h"
#include "router/conversations/conversation_store.h"
#include "tests/support/http_client.h"
#include "tests/tools/program.h"

namespace sain::test {
namespace {

using nlohmann::json;
using sain::testing::get;
using sain::testing::HttpClient;
using sain::testing::post;

constexpr const char* kConfig = R"(
context_length = 1024
[routing]
layer = 4
[assistant]
name = "Ada"
model = "smollm2-135m-instruct"
max_tokens = 400
intents = { talk = ["Hello!", "How are you?", "Good morning", "Thank you", "Tell me a joke", "What is your name?"] }
[[specialist]]
name = "coding"
model = "smollm2-135m-instruct"
intents = { code = ["Write a Python function", "Fix this C++ loop", "Sort an array in Java", "What does this code do?"] }
)";

class ConversationsOfServe : public RealModelTest {
 protected:
  ~ConversationsOfServe() override {
    for (const char* ending : {"", "-wal", "-shm"}) std::filesystem::remove(file_.string() + ending);
  }

  std::unique_ptr<Subprocess> serve(uint16_t& port) const {
    constexpr std::string_view kListening = "listening on http://127.0.0.1:";
    auto server = std::make_unique<Subprocess>(std::vector<std::string>{
        SAIN_PROGRAM, "serve", "--config", config_.path(), "--port", "0", "--conversations", file_.string()});
    while (server->err().find("sain: ready\n") == std::string::npos)
      if (!server->pump()) ADD_FAILURE() << server->err();
    port = static_cast<uint16_t>(std::stoi(server->err().substr(server->err().find(kListening) + kListening.size())));
    return server;
  }
  static json ask(uint16_t port, const std::string& request) {
    HttpClient client(port);
    client.send(request);
    const std::string response = client.receive_response();
    return json::parse(response.substr(response.find("\r\n\r\n") + 4), nullptr, false);
  }

  TemporaryFile config_{"conversations.toml", kConfig};
  std::filesystem::path file_ =
      std::filesystem::path(::testing::TempDir()) / (std::to_string(getpid()) + "_conversations.db");
};

// R37: a process that is killed at any moment; SAIN_KILLS=50 for as many times.
TEST_F(ConversationsOfServe, AreWholeWhereverTheServerIsKilled) {
  const char* wanted = std::getenv("SAIN_KILLS");
  const int n_kills = wanted == nullptr ? 3 : std::atoi(wanted);
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  int n_partial = 0;
  for (int kill = 1; kill <= n_kills; ++kill) {
    uint16_t port = 0;
    const auto server = serve(port);
    const std::string id = ask(port, post("/v1/conversations", "{}")).value("id", "");
    ASSERT_NE(id, "");
    HttpClient client(port);
    client.send(post("/v1/conversations/" + id + "/messages",
                     R"({"model": "assistant", "text": "Tell me a very long story about a lighthouse."})"));
    std::string streamed;
    for (unsigned n = std::uniform_int_distribution(0u, 250u)(random); n > 0; --n) {
      streamed += client.receive_until("\n\n");
      if (streamed.find("\"stored\"") != std::string::npos) break;
    }
    server->send_signal(SIGKILL);
    server->wait();
    streamed += client.receive_all();

    const auto store = router::ConversationStore::open(file_);
    ASSERT_TRUE(store) << store.error().message;
    const Status whole = (*store)->check();
    ASSERT_TRUE(whole) << whole.error().message;
    const auto list = (*store)->list("", 1000);
    ASSERT_EQ(list->size(), static_cast<size_t>(kill));
    for (const router::ConversationInfo& info : *list) {
      const auto stored = (*store)->read(info.id);
      ASSERT_TRUE(stored) << stored.error().message;
      if (info.id != id) {
        EXPECT_FALSE(stored->messages.empty());
        continue;
      }
      if (stored->messages.empty()) {
        EXPECT_EQ(streamed.find("\"question\""), std::string::npos) << "it was told of, and is lost";
        continue;
      }
      EXPECT_EQ(stored->messages[0].text, "Tell me a very long story about a lighthouse.");
      if (stored->messages.size() == 1) continue;
      const router::StoredMessage& answer = stored->messages[1];
      ASSERT_TRUE(answer.answer);
      EXPECT_FALSE(answer.text.empty());
      EXPECT_EQ(formats::valid_utf8_prefix(answer.text), answer.text.size());
      n_partial += answer.answer->state == router::AnswerState::kPartial;
    }
  }
  RecordProperty("partial_answers", n_partial);
  std::printf("%d of %d answers were kept as far as they had come\n", n_partial, n_kills);
}

}  // namespace
}  // namespace sain::test
