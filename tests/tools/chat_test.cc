// `sain chat` and `sain route`, as a script meets them.
#include "tests/tools/program.h"

#include <algorithm>
#include <sstream>

namespace sain::test {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

/// Two specialists, one of which has no model; so few examples that training takes no time.
constexpr const char* kConfig = R"(
context_length = 512
[routing]
layer = 4
threshold = 0.5
evaluation = "none.toml"
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
[[specialist]]
name = "lost"
model = "no-such-model.gguf"
)";

class RoutedCommand : public RealModelTest {
 protected:
  ProcessResult chat(std::vector<std::string> arguments, std::string input) {
    arguments.insert(arguments.begin(), {"chat", "--config", config_.path()});
    return run_sain(std::move(arguments), {.input = std::move(input)});
  }

  /// The events of a conversation, less those of loading, which come as often as there is time.
  std::vector<json> events(const ProcessResult& result) {
    std::vector<json> list;
    std::istringstream lines(result.out);
    for (std::string line; std::getline(lines, line);) {
      json event = json::parse(line, nullptr, false);
      EXPECT_FALSE(event.is_discarded()) << line;
      if (event.value("kind", "") != "loading") list.push_back(std::move(event));
    }
    return list;
  }

  TemporaryFile config_{"sain.toml", kConfig};
};

TEST_F(RoutedCommand, RouteShowsTheDecision) {
  const json decision =
      json_of(run_sain({"route", "--config", config_.path(), "Write a Python function that adds.", "--json"}));
  EXPECT_EQ(decision["specialist"], "coding");
  EXPECT_GE(decision["confidence"], 0.5);
  EXPECT_GT(decision["margin"], 0);
  EXPECT_GT(decision["ms"], 0);
  EXPECT_THAT(decision["reason"].get<std::string>(), HasSubstr(">= 0.50"));
  double sum = 0;
  for (const auto& [name, p] : decision["probabilities"].items()) sum += p.get<double>();
  EXPECT_NEAR(sum, 1, 1e-6);

  const ProcessResult plain = run_sain({"route", "--config", config_.path(), "@lost hello"});
  EXPECT_EQ(plain.exit_code, 0);
  EXPECT_THAT(plain.out, AllOf(HasSubstr("lost 1.000 1.000"), HasSubstr("@lost was asked for")));
}

TEST_F(RoutedCommand, TrainAndEval) {
  const json trained = json_of(run_sain({"route", "train", "--config", config_.path(), "--json"}));
  EXPECT_EQ(trained["intents"], 2);
  EXPECT_TRUE(std::filesystem::exists(trained["file"].get<std::string>()));

  const TemporaryFile labelled(
      "labelled.toml", "coding = [\"Sort a Java array\"]\nassistant = [\"Hello\"]\nout_of_scope = [\"Hi you\"]");
  const json report = json_of(run_sain({"route", "eval", "--config", config_.path(), "-f", labelled.path(), "--json"}));
  EXPECT_EQ(report["in_scope"], 2);
  EXPECT_EQ(report["out_of_scope"], 1);
  EXPECT_EQ(report["confusion"]["coding"]["coding"], 1);

  const TemporaryFile wrong("wrong.toml", "cooking = [\"Boil an egg\"]");
  const ProcessResult refused = run_sain({"route", "eval", "--config", config_.path(), "-f", wrong.path()});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, AllOf(HasSubstr(wrong.path() + ":1"), HasSubstr("cooking")));
}

TEST_F(RoutedCommand, ChatTellsItsEventsAsJson) {
  const ProcessResult result = chat({"--json"}, "Hello!\n@coding Write a loop");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const std::vector<json> list = events(result);
  ASSERT_GE(list.size(), 6u);
  EXPECT_EQ(list[0]["event"], "route");
  EXPECT_EQ(list[0]["specialist"], "assistant");
  std::string order;
  for (const json& event : list) {
    const std::string kind = event.value("kind", event["event"].get<std::string>());
    if (kind != "token") order += kind + " ";
  }
  EXPECT_EQ(order, "route done route acknowledged ready done ");
  EXPECT_EQ(list.back()["by"], "coding");
  EXPECT_EQ(list.back()["finish_reason"], "length");
  EXPECT_GT(list.back()["timings"]["total_ms"], 0);
}

TEST_F(RoutedCommand, ChatPrintsATranscript) {
  const ProcessResult result = chat({}, "Hello!\n\n/models\n/reset\n@coding Write a loop\n/quit\nHello?\n");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("> Hello!\nAda: "), HasSubstr("@lost"), HasSubstr("\ncoding: ")));
  EXPECT_THAT(result.out, Not(HasSubstr("Hello?"))) << "nothing is read after /quit";
  EXPECT_THAT(result.out, Not(HasSubstr("\x1b")));
  EXPECT_THAT(result.err, AllOf(HasSubstr("Let me bring in the coding specialist."), HasSubstr("is forgotten")));
}

TEST_F(RoutedCommand, ASpecialistWithoutAModelFallsBack) {
  const ProcessResult result = chat({"--json"}, "@lost help me\n");
  EXPECT_EQ(result.exit_code, 0) << "the assistant has answered";
  EXPECT_THAT(result.err, HasSubstr("the lost specialist is missing"));
  const std::vector<json> list = events(result);
  EXPECT_TRUE(std::any_of(list.begin(), list.end(), [](const json& event) { return event["event"] == "fallback"; }));
  EXPECT_EQ(list.back()["event"], "done");
  EXPECT_EQ(list.back()["by"], "assistant");
}

TEST_F(RoutedCommand, ABadLineDoesNotEndTheConversation) {
  const ProcessResult result = chat({"--json"}, "\xff\xfe\n/nonsense\nHello!\n");
  EXPECT_EQ(result.exit_code, 1);
  const std::vector<json> list = events(result);
  ASSERT_GE(list.size(), 3u);
  EXPECT_THAT(list[0]["message"].get<std::string>(), HasSubstr("UTF-8"));
  EXPECT_THAT(list[1]["message"].get<std::string>(), HasSubstr("/nonsense"));
  EXPECT_EQ(list.back()["event"], "done");
}

TEST_F(RoutedCommand, ARequestTooLongIsRefusedAndNotCut) {
  const ProcessResult result = chat({"--json"}, std::string(20000, 'a') + "\n");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(events(result).back()["message"].get<std::string>(), HasSubstr("tokens, and there is room for"));
}

TEST(RoutedWithoutModel, SaysWhatIsMissing) {
  ProcessResult result = run_sain({"route"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("TEXT"));
  result = run_sain({"route", " "});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("TEXT is empty"));
  result = run_sain({"chat", "--config", "/no/such/sain.toml"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("/no/such/sain.toml"));
  const TemporaryFile wrong("wrong.toml", "[assistant]\nname = 3\n");
  result = run_sain({"chat", "--config", wrong.path()});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr(wrong.path() + ":2: assistant.name: expected a string, found 3"));
  const TemporaryFile homeless("homeless.toml", "[assistant]\nname = \"Ada\"\nmodel = \"none.gguf\"\n");
  result = run_sain({"chat", "--config", homeless.path()});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("none.gguf"));
}

TEST(RoutedWithoutModel, HelpIsTrue) {
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"chat"}, {"route"}, {"route", "train"}, {"route", "eval"}}) {
    std::vector<std::string> arguments = command;
    arguments.push_back("--help");
    const ProcessResult result = run_sain(arguments);
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_THAT(result.out, HasSubstr("--config"));
  }
}

}  // namespace
}  // namespace sain::test
