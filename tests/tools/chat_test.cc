// `sain chat` and `sain route`, as a script meets them.
#include "tests/tools/program.h"

#include <algorithm>
#include <sstream>

namespace sain::test {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::ElementsAre;
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
  EXPECT_EQ(order, "route handoff done route acknowledged ready handoff done ");
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

/// More than 192 tokens hold.
constexpr const char* kLongConversation =
    "Hello! My name is Maria and I live in Lisbon.\nI have a dog called Bruno. What should I feed him?\n"
    "How often should I walk with him?\nWhat is the capital of France?\nWhat can I see there in three days?\n"
    "How do I get there from Lisbon by train?\nWrite a short poem about the sea.\nWhy is the sky blue?\n"
    "How do I boil an egg?\nWhat was my name?\n";

struct LongConversation {
  std::string answers;
  std::vector<std::string> forgets, errors;
  size_t n_done = 0, n_summaries = 0, most_tokens = 0;
};

LongConversation summary_of(const std::vector<json>& events) {
  LongConversation seen;
  for (const json& event : events) {
    const std::string kind = event["event"];
    if (kind == "token") seen.answers += event["text"];
    if (event.value("kind", "") == "summarising") ++seen.n_summaries;
    if (kind == "forget") seen.forgets.push_back(event["kind"]);
    if (kind == "error") seen.errors.push_back(event["message"]);
    if (kind != "done") continue;
    ++seen.n_done;
    seen.answers += "\n";
    seen.most_tokens = std::max<size_t>(seen.most_tokens, event["context"]["tokens"]);
    EXPECT_EQ(event["context"]["limit"], 192);
  }
  return seen;
}

TEST_F(RoutedCommand, ALongConversationIsCompacted) {
  const std::string twice = std::string(kLongConversation) + "/reset\n" + kLongConversation;
  const ProcessResult result = chat({"--json", "--ctx", "192"}, twice);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const std::vector<json> list = events(result);
  const LongConversation all = summary_of(list);
  EXPECT_EQ(all.n_done, 20u);
  EXPECT_GE(all.n_summaries, 4u) << "each conversation outgrows its first one too";
  EXPECT_LE(all.most_tokens, 192u);
  EXPECT_THAT(all.forgets, ElementsAre("summarised", "summarised")) << "once in each conversation";

  const auto middle = std::find_if(
      list.begin(), list.end(), [n = 0](const json& event) mutable { return event["event"] == "done" && ++n == 10; });
  ASSERT_NE(middle, list.end());
  EXPECT_EQ(summary_of({list.begin(), middle + 1}).answers, summary_of({middle + 1, list.end()}).answers);
}

TEST_F(RoutedCommand, ALongConversationIsStreamed) {
  const TemporaryFile alone("alone.toml", R"(
context_policy = "stream"
[routing]
layer = 4
[assistant]
name = "Ada"
model = "smollm2-135m-instruct"
max_tokens = 24
)");
  // --exact: rounded activations make answers depend on how many tokens a pass drafts, and that depends on the time.
  const auto converse = [&](const char* option, const char* value) {
    return run_sain({"chat", "--config", alone.path(), "--json", "--exact", option, value},
                    {.input = kLongConversation});
  };
  const ProcessResult result = converse("--ctx", "192");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const LongConversation seen = summary_of(events(result));
  EXPECT_EQ(seen.n_done, 10u);
  EXPECT_EQ(seen.most_tokens, 192u);
  EXPECT_THAT(seen.forgets, ElementsAre("streamed"));

  EXPECT_EQ(summary_of(events(converse("--window", "188"))).answers, seen.answers);

  // As little is read for the last request as for the others.
  for (const json& event : events(result)) {
    if (event["event"] == "done") {
      EXPECT_LE(event["timings"]["prefill_tokens"], 60);
    }
  }
}

TEST_F(RoutedCommand, ALongConversationIsStopped) {
  const std::string again = std::string(kLongConversation) + "/reset\nHello!\n";
  const ProcessResult result = chat({"--json", "--ctx", "192", "--policy", "stop"}, again);
  EXPECT_EQ(result.exit_code, 1);
  const std::vector<json> list = events(result);
  EXPECT_EQ(list.back()["event"], "done") << "a new conversation has room";
  const LongConversation seen = summary_of(list);
  EXPECT_LE(seen.most_tokens, 192u);
  EXPECT_THAT(seen.forgets, ElementsAre());
  ASSERT_FALSE(seen.errors.empty());
  EXPECT_EQ(seen.n_done + seen.errors.size(), 11u);
  for (const std::string& error : seen.errors)
    EXPECT_THAT(error, HasSubstr("there is room for 184 (context_length 192, less 8 for the answer)"));
}

TEST_F(RoutedCommand, TheContextIsShownToPeople) {
  const ProcessResult result = chat({"--ctx", "192"}, kLongConversation);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, ContainsRegex("context [0-9]+ of 192 tokens\n"));
  const size_t first = result.err.find("a summary takes the place of its oldest turns.\n");
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(result.err.find("a summary", first + 1), std::string::npos) << "it is said once";
}

TEST(RoutedWithoutModel, PoliciesAreChecked) {
  ProcessResult result = run_sain({"chat", "--policy", "drop"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, AllOf(HasSubstr("--policy"), HasSubstr("drop")));
  result = run_sain({"chat", "--policy", "stop", "--window", "100"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("--policy: expected stream beside --window, found stop"));
  const TemporaryFile wrong("policy.toml", "context_policy = \"drop\"\n[assistant]\nname = \"A\"\nmodel = \"m\"\n");
  result = run_sain({"chat", "--config", wrong.path()});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr(wrong.path() + ":1: context_policy: expected"));
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
