// `sain chat --log` and `sain replay`, as a script meets them.
#include <algorithm>
#include <sstream>

#include "tests/support/temporary_folder.h"
#include "tests/tools/program.h"

namespace sain::test {
namespace {

using nlohmann::json;
using sain::testing::TemporaryFolder;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kLog =
    R"({"protocol":"sain","version":1,"members":["assistant","coding"],"assistant":"Ada","started":"2026-11-26T08:25:25Z"}
{"seq":1,"ms":0,"conversation":"c1","request":1,"message":{"event":"request","text":"Hello!","mode":"auto","priority":"interactive"}}
{"seq":2,"ms":1,"conversation":"c1","request":1,"message":{"event":"route","specialist":"assistant","confidence":0.9,"margin":0.8,"familiarity":1,"cause":"confident","reason":"","probabilities":{},"text":"Hello!"}}
{"seq":3,"ms":2,"conversation":"c1","request":1,"message":{"event":"token","by":"assistant","text":"Good \u001b[31mday."}}
{"seq":4,"ms":300,"conversation":"c1","request":1,"message":{"event":"done","by":"assistant","place":"local","finish_reason":"stop","dropped_turns":0,"context":{"tokens":12,"limit":512},"timings":{"route_ms":1,"load_ms":0,"first_token_ms":2,"total_ms":300,"prefill_tokens":8,"decode_tokens":4}}}
{"seq":5,"ms":301,"conversation":"c2","request":2,"message":{"event":"request","text":"@coding hi","mode":"slow","priority":"background"}}
{"seq":6,"ms":302,"conversation":"c2","request":2,"message":{"event":"route","specialist":"coding","confidence":1,"margin":1,"familiarity":1,"cause":"explicit","reason":"","probabilities":{},"text":"hi"}}
{"seq":7,"ms":303,"conversation":"c2","request":2,"message":{"event":"status","kind":"acknowledged","specialist":"coding","text":"One moment, \u001b[2J please."}}
{"seq":8,"ms":304,"conversation":"c2","request":2,"message":{"event":"fallback","from":"coding","to":"assistant","reason":"it is lost","text":"I will try."}}
{"seq":9,"ms":305,"conversation":"c2","request":2,"message":{"event":"error","code":"internal","message":"nobody knows"}}
)";

ProcessResult replay(const std::string& log, std::vector<std::string> options = {}) {
  const TemporaryFile file("replayed.jsonl", log);
  options.insert(options.begin(), {"replay", file.path()});
  return run_sain(std::move(options));
}

std::string with(std::string log, const std::string& from, const std::string& to) {
  const size_t at = log.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return log.replace(at, from.size(), to);
}

std::vector<json> json_lines(const std::string& text) {
  std::vector<json> list;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) list.push_back(json::parse(line));
  return list;
}

TEST(Replay, ShowsWhatAPersonSaw) {
  const ProcessResult result = replay(kLog);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "> Hello!\nAda: Good [31mday.\n> @coding hi\n") << "and no escape sequence";
  EXPECT_EQ(result.err,
            "context 12 of 512 tokens\nThe conversation is forgotten.\nOne moment, [2J please.\n"
            "I will try. (it is lost)\nno answer: nobody knows\n");
}

TEST(Replay, ShowsThoughtsAndDraftsThatWereGivenUp) {
  const ProcessResult result = replay(
      R"({"protocol":"sain","version":2,"members":["assistant","coding"],"assistant":"Ada","started":"2026-11-26T08:25:25Z"}
{"seq":1,"ms":0,"conversation":"c1","request":1,"message":{"event":"request","text":"Why?","mode":"auto","priority":"interactive"}}
{"seq":2,"ms":1,"conversation":"c1","request":1,"message":{"event":"route","specialist":"assistant","confidence":0.5,"margin":0.1,"familiarity":1,"cause":"below_threshold","reason":"","probabilities":{},"text":"Why?"}}
{"seq":3,"ms":2,"conversation":"c1","request":1,"message":{"event":"fallback","from":"assistant","to":"coding","reason":"a confidence of 0.20 < 0.50 in its draft","text":"I am not sure of my answer."}}
{"seq":4,"ms":3,"conversation":"c1","request":1,"message":{"event":"status","kind":"acknowledged","specialist":"coding","text":"One moment."}}
{"seq":5,"ms":4,"conversation":"c1","request":1,"message":{"event":"status","kind":"ready","specialist":"coding"}}
{"seq":6,"ms":5,"conversation":"c1","request":1,"message":{"event":"status","kind":"thinking","specialist":"coding","text":"Hm, \u001b[2J"}}
{"seq":7,"ms":6,"conversation":"c1","request":1,"message":{"event":"status","kind":"thinking","specialist":"coding","text":"well."}}
{"seq":8,"ms":7,"conversation":"c1","request":1,"message":{"event":"token","by":"coding","text":"So."}}
{"seq":9,"ms":8,"conversation":"c1","request":1,"message":{"event":"done","by":"coding","place":"local","finish_reason":"stop","dropped_turns":0,"context":{"tokens":0,"limit":0},"timings":{"route_ms":1,"load_ms":0,"first_token_ms":2,"total_ms":300,"prefill_tokens":8,"decode_tokens":4}}}
)");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "> Why?\ncoding: So.\n");
  EXPECT_EQ(result.err,
            "I am not sure of my answer. (a confidence of 0.20 < 0.50 in its draft)\nOne moment.\ncoding thinks:\n"
            "Hm, [2Jwell.\n");
}

TEST(Replay, PrintsMessages) {
  const ProcessResult result = replay(kLog, {"--json"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const std::vector<json> printed = json_lines(result.out), logged = json_lines(kLog);
  ASSERT_EQ(printed.size() + 1, logged.size());
  for (size_t i = 0; i < printed.size(); ++i) EXPECT_EQ(printed[i], logged[i + 1]["message"]);
}

TEST(Replay, TakesItsTime) {
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(replay(kLog, {"--speed", "2"}).exit_code, 0);
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(152));
}

TEST(Replay, ACutLogIsShownUpToThere) {
  const std::string log = kLog;
  const size_t third = log.find(R"({"seq":4)");
  const ProcessResult result = replay(log.substr(0, third + 20));
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out, "> Hello!\nAda: Good [31mday.\n");
  EXPECT_THAT(result.err, AllOf(HasSubstr("replayed.jsonl: is cut in line 5, which is left out"),
                                HasSubstr("no answer: the log ends before the end of the request")));
}

TEST(Replay, DamageIsAnError) {
  const auto error = [](const std::string& from, const std::string& to) {
    const ProcessResult result = replay(with(kLog, from, to));
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_EQ(result.out, "") << "nothing is shown";
    return result.err;
  };
  EXPECT_THAT(error(R"("token","by":"assistant")", R"("token","by":"nobody")"),
              HasSubstr("replayed.jsonl:4: token.by: expected the name of a member, found \"nobody\""));
  EXPECT_THAT(error(R"("token","by":"assistant")", R"("token","by":"coding")"),
              HasSubstr("replayed.jsonl:4: token.by: expected assistant, whose turn it is, found coding"));
  EXPECT_THAT(error(R"("version":1)", R"("version":3)"),
              HasSubstr("replayed.jsonl:1: version: expected 1 to 2, found 3"));
  EXPECT_THAT(error(R"({"seq":3)", "x"), HasSubstr("replayed.jsonl:4: expected JSON"));
}

TEST(Replay, SaysWhatIsWrong) {
  ProcessResult result = run_sain({"replay", "/no/such/talk.jsonl"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("/no/such/talk.jsonl"));
  for (const std::vector<std::string>& options : std::vector<std::vector<std::string>>{
           {"--speed", "0"}, {"--speed", "2", "--again"}, {"--config", "a.toml"}, {"--nonsense"}}) {
    result = replay(kLog, options);
    EXPECT_EQ(result.exit_code, 2) << options[0];
    EXPECT_THAT(result.err, HasSubstr(options[0]));
  }
  result = run_sain({"replay", "--help"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, AllOf(HasSubstr("--again"), HasSubstr("--speed"), HasSubstr("--config")));
}

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

class LoggedChat : public RealModelTest {
 protected:
  ProcessResult chat(const std::string& input) {
    return run_sain({"chat", "--config", config_.path(), "--json", "--log", log_}, {.input = input});
  }

  TemporaryFolder folder_;
  TemporaryFile config_{"replay.toml", kConfig};
  std::string log_ = (folder_ / "talk.jsonl").string();
};

TEST_F(LoggedChat, IsReplayedAsItWas) {
  const ProcessResult chatted = chat("Hello!\n@coding Write a loop\n/reset\nWrite a Python function\n");
  ASSERT_EQ(chatted.exit_code, 0) << chatted.err;
  const ProcessResult replayed = run_sain({"replay", log_, "--json"});
  ASSERT_EQ(replayed.exit_code, 0) << replayed.err;
  std::vector<json> messages = json_lines(replayed.out);
  EXPECT_EQ(std::erase_if(messages, [](const json& message) { return message["event"] == "request"; }), 3u);
  EXPECT_EQ(messages, json_lines(chatted.out));

  const ProcessResult refused = chat("Hello!\n");
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, AllOf(HasSubstr(log_), HasSubstr("exists"))) << "nothing is overwritten";
}

TEST_F(LoggedChat, IsHeldAgain) {
  ASSERT_EQ(chat("Hello!\n@coding Write a loop\n").exit_code, 0);
  ProcessResult again = run_sain({"replay", "--again", log_, "--config", config_.path()});
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.out, AllOf(HasSubstr("same    assistant confident, "), HasSubstr("same    coding explicit, "),
                               HasSubstr("2 of 2 requests are decided as before"), Not(HasSubstr("changed"))));

  const TemporaryFile alone("alone.toml", with(kConfig, "name = \"coding\"", "name = \"sorting\""));
  again = run_sain({"replay", "--again", log_, "--config", alone.path(), "--json"});
  EXPECT_EQ(again.exit_code, 1) << "nobody is called coding any more";
  const std::vector<json> rows = json_lines(again.out);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0]["same"], true);
  EXPECT_EQ(rows[1]["same"], false);
  EXPECT_EQ(rows[1]["text"], "@coding Write a loop");
  EXPECT_EQ(rows[1]["logged"]["specialist"], "coding");
  EXPECT_GT(rows[1]["total_ms"], 0);
  EXPECT_GT(rows[1]["logged"]["total_ms"], 0);
  EXPECT_EQ(rows[2]["requests"], 2);
  EXPECT_EQ(rows[2]["same"], 1);
}

}  // namespace
}  // namespace sain::test
