// Every mistake in a sain.toml is answered with its file, line, key and value.
#include "router/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sain::router {
namespace {

using ::testing::HasSubstr;

Result<std::string> read_nothing(const std::string& name) {
  return make_error(ErrorCode::kNotFound, "{}: there is no such file", name);
}

constexpr std::string_view kMinimal = "[assistant]\nname = \"Ada\"\nmodel = \"a.gguf\"\n";

std::string with_assistant(std::string_view text) {
  return std::string(kMinimal) + std::string(text);
}

TEST(ConfigTest, MinimalConfigurationHasDefaults) {
  const auto config = parse_config(kMinimal, "t.toml", read_nothing);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->assistant.name, "Ada");
  EXPECT_EQ(config->assistant.model, "a.gguf");
  EXPECT_EQ(config->memory_budget_bytes, uint64_t{8} << 30);
  EXPECT_FALSE(config->unload_after_answer);
  EXPECT_TRUE(config->prefetch);
  EXPECT_TRUE(config->specialists.empty());
  EXPECT_EQ(config->context_policy, ConversationPolicy::kCompact);
}

TEST(ConfigTest, ContextPoliciesHaveNames) {
  EXPECT_EQ(find_conversation_policy("stop"), ConversationPolicy::kStop);
  EXPECT_EQ(find_conversation_policy("stream"), ConversationPolicy::kStream);
  EXPECT_EQ(find_conversation_policy("compact"), ConversationPolicy::kCompact);
  EXPECT_FALSE(find_conversation_policy("Compact"));
  EXPECT_FALSE(find_conversation_policy(""));
}

TEST(ConfigTest, ReadsEveryKey) {
  const std::string text = R"(
context_length = 1024
context_policy = "stream"
threads = 3
[memory]
budget_mib = 512
unload_after_answer = false
[routing]
layer = 4
threshold = 0.75
draft_confidence = 0.25
evaluation = "eval.toml"
[assistant]
name = "Ada"
model = "a.gguf"
description = "talks"
system_prompt = "Be kind."
max_tokens = 99
thinking_tokens = 64
stop = ["END"]
[assistant.sampling]
temperature = 0.5
top_k = 7
top_p = 0.9
min_p = 0.05
typical_p = 0.95
seed = 42
penalty_last_n = 32
repetition_penalty = 1.2
frequency_penalty = 0.1
presence_penalty = -0.1
dry_multiplier = 0.8
dry_base = 2
dry_allowed_length = 3
dry_last_n = 100
dry_breakers = ["\n"]
[assistant.intents]
zebra = ["hello", "hi"]
apple = ["bye"]
[[specialist]]
name = "maths"
model = "m.gguf"
intents = "maths.toml"
)";
  const auto read_file = [](const std::string& name) -> Result<std::string> {
    EXPECT_EQ(name, "maths.toml");
    return std::string("sums = [\"1 + 1\"]\n");
  };
  const auto config = parse_config(text, "t.toml", read_file);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->context_length, 1024u);
  EXPECT_EQ(config->context_policy, ConversationPolicy::kStream);
  EXPECT_EQ(config->threads, 3u);
  EXPECT_EQ(config->memory_budget_bytes, uint64_t{512} << 20);
  EXPECT_FALSE(config->unload_after_answer);
  EXPECT_EQ(config->routing.layer, 4u);
  EXPECT_DOUBLE_EQ(config->routing.threshold, 0.75);
  EXPECT_DOUBLE_EQ(config->routing.draft_confidence, 0.25);
  EXPECT_EQ(config->routing.evaluation, "eval.toml");
  const MemberConfig& ada = config->assistant;
  EXPECT_EQ(ada.description, "talks");
  EXPECT_EQ(ada.system_prompt, "Be kind.");
  EXPECT_EQ(ada.max_tokens, 99u);
  EXPECT_EQ(ada.thinking_tokens, 64u);
  EXPECT_EQ(ada.stop_strings, std::vector<std::string>{"END"});
  EXPECT_FLOAT_EQ(ada.sampling.temperature, 0.5f);
  EXPECT_EQ(ada.sampling.top_k, 7);
  EXPECT_FLOAT_EQ(ada.sampling.top_p, 0.9f);
  EXPECT_FLOAT_EQ(ada.sampling.min_p, 0.05f);
  EXPECT_FLOAT_EQ(ada.sampling.typical_p, 0.95f);
  EXPECT_EQ(ada.sampling.seed, 42u);
  EXPECT_EQ(ada.sampling.penalty_last_n, 32);
  EXPECT_FLOAT_EQ(ada.sampling.repetition_penalty, 1.2f);
  EXPECT_FLOAT_EQ(ada.sampling.frequency_penalty, 0.1f);
  EXPECT_FLOAT_EQ(ada.sampling.presence_penalty, -0.1f);
  EXPECT_FLOAT_EQ(ada.sampling.dry_multiplier, 0.8f);
  EXPECT_FLOAT_EQ(ada.sampling.dry_base, 2);
  EXPECT_EQ(ada.sampling.dry_allowed_length, 3);
  EXPECT_EQ(ada.sampling.dry_last_n, 100);
  EXPECT_EQ(ada.sampling.dry_breakers, std::vector<std::string>{"\n"});
  ASSERT_EQ(ada.intents.size(), 2u);
  EXPECT_EQ(ada.intents[0].name, "zebra") << "intents keep the order of the file";
  EXPECT_EQ(ada.intents[1].examples, std::vector<std::string>{"bye"});
  ASSERT_EQ(config->specialists.size(), 1u);
  EXPECT_EQ(config->specialists[0].intents[0].examples[0], "1 + 1");
  EXPECT_EQ(config->specialists[0].thinking_tokens, std::nullopt);
}

struct BadConfig {
  const char* what;
  std::string text;
  std::vector<const char*> message;  // parts, all of them
};

class BadConfigTest : public ::testing::TestWithParam<BadConfig> {};

TEST_P(BadConfigTest, NamesFileLineKeyAndValue) {
  const auto config = parse_config(GetParam().text, "t.toml", read_nothing);
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error().message, HasSubstr("t.toml"));
  for (const char* part : GetParam().message) EXPECT_THAT(config.error().message, HasSubstr(part));
}

INSTANTIATE_TEST_SUITE_P(
    All, BadConfigTest,
    ::testing::Values(
        BadConfig{"not_toml", "[assistant\n", {"t.toml:1"}}, BadConfig{"not_utf8", "name = \"\xff\xfe\"", {"t.toml:1"}},
        BadConfig{"empty", "", {"assistant: is missing"}},
        BadConfig{"no_name", "[assistant]\nmodel=\"m\"", {"t.toml:1", "assistant.name: is missing"}},
        BadConfig{"no_model", "[assistant]\nname=\"m\"", {"assistant.model: is missing"}},
        BadConfig{"empty_model", "[assistant]\nname=\"m\"\nmodel=\"\"", {"t.toml:3", "assistant.model", "empty"}},
        BadConfig{"assistant_type", "assistant = 3", {"t.toml:1", "assistant: expected a table, found 3"}},
        BadConfig{"unknown_key", with_assistant("colour = \"red\""), {"t.toml:4", "assistant.colour", "\"red\""}},
        BadConfig{"unknown_root", "speed = 9\n" + with_assistant(""), {"t.toml:1", "speed", "9"}},
        BadConfig{"duplicate_key", with_assistant("name = \"Bob\""), {"t.toml:4"}},
        BadConfig{"wrong_type",
                  with_assistant("max_tokens = \"many\""),
                  {"t.toml:4", "assistant.max_tokens: expected an integer from 1", "found \"many\""}},
        BadConfig{"thoughts", with_assistant("thinking_tokens = -1"), {"t.toml:4", "assistant.thinking_tokens"}},
        BadConfig{"out_of_range", with_assistant("max_tokens = 0"), {"t.toml:4", "found 0"}},
        BadConfig{"float_for_integer", "threads = 1.5\n" + with_assistant(""), {"t.toml:1", "threads", "1.5"}},
        BadConfig{"negative_threads", "threads = -1\n" + with_assistant(""), {"threads", "-1"}},
        BadConfig{"context_policy",
                  "context_policy = \"drop\"\n" + with_assistant(""),
                  {"t.toml:1", "context_policy: expected \"stop\", \"stream\" or \"compact\"", "found \"drop\""}},
        BadConfig{"context_policy_type",
                  "context_policy = 1\n" + with_assistant(""),
                  {"t.toml:1", "context_policy: expected", "found 1"}},
        BadConfig{"sampling",
                  with_assistant("sampling = { temperature = \"hot\" }"),
                  {"t.toml:4", "assistant.sampling.temperature: expected a number", "found \"hot\""}},
        BadConfig{"sampling_nan", with_assistant("sampling = { temperature = nan }"), {"temperature", "nan"}},
        BadConfig{"sampling_unknown", with_assistant("sampling = { warmth = 1 }"), {"assistant.sampling.warmth"}},
        BadConfig{
            "threshold", "[routing]\nthreshold = 1.5\n" + with_assistant(""), {"t.toml:2", "routing.threshold", "1.5"}},
        BadConfig{"layer", "[routing]\nlayer = 0\n" + with_assistant(""), {"routing.layer", "found 0"}},
        BadConfig{"budget", "[memory]\nbudget_mib = true\n" + with_assistant(""), {"memory.budget_mib", "true"}},
        BadConfig{"unload",
                  "[memory]\nunload_after_answer = 1\n" + with_assistant(""),
                  {"memory.unload_after_answer: expected true or false, found 1"}},
        BadConfig{"specialist_not_array", with_assistant("[specialist]\nname = \"x\""), {"specialist", "a table"}},
        BadConfig{"specialist_scalar", "specialist = [1]\n" + with_assistant(""), {"specialist", "[[specialist]]"}},
        BadConfig{"specialist_name",
                  with_assistant("[[specialist]]\nname=\"Big One\"\nmodel=\"m\""),
                  {"t.toml:4", "specialist[0].name", "\"Big One\""}},
        BadConfig{"specialist_called_assistant",
                  with_assistant("[[specialist]]\nname=\"assistant\"\nmodel=\"m\""),
                  {"specialist[0].name", "\"assistant\""}},
        BadConfig{"specialist_twice",
                  with_assistant("[[specialist]]\nname=\"a\"\nmodel=\"m\"\n[[specialist]]\nname=\"a\"\nmodel=\"m\""),
                  {"t.toml:7", "specialist[1].name", "already taken"}},
        BadConfig{"intents_type", with_assistant("intents = 7"), {"t.toml:4", "assistant.intents", "found 7"}},
        BadConfig{"intents_file",
                  with_assistant("intents = \"gone.toml\""),
                  {"t.toml:4", "assistant.intents", "gone.toml: there is no such file"}},
        BadConfig{"intent_empty",
                  with_assistant("[assistant.intents]\na = []"),
                  {"t.toml:5", "assistant.intents.a", "at least one example"}},
        BadConfig{"intent_type",
                  with_assistant("[assistant.intents]\na = \"x\""),
                  {"assistant.intents.a: expected an array of strings"}},
        BadConfig{"intent_element",
                  with_assistant("[assistant.intents]\na = [\"x\", 3]"),
                  {"t.toml:5", "assistant.intents.a: expected strings, found 3"}},
        BadConfig{"intent_blank", with_assistant("[assistant.intents]\na = [\"\"]"), {"empty string"}},
        BadConfig{"intent_name", with_assistant("[assistant.intents]\n\"A b\" = [\"x\"]"), {"assistant.intents.A b"}},
        BadConfig{"intents_of_assistant_missing",
                  with_assistant("[[specialist]]\nname=\"c\"\nmodel=\"m\"\nintents = { a = [\"x\"] }"),
                  {"assistant.intents: is missing", "\"c\""}}),
    [](const auto& test) { return std::string(test.param.what); });

TEST(ConfigTest, LongValuesAreCutInMessages) {
  const auto config = parse_config("threads = \"" + std::string(5000, 'x') + "\"", "t.toml", read_nothing);
  ASSERT_FALSE(config);
  EXPECT_LT(config.error().message.size(), 200u);
}

TEST(ConfigTest, RefusesHugeAndDeepInput) {
  EXPECT_FALSE(parse_config(std::string(size_t{5} << 20, '#'), "t.toml", read_nothing));
  EXPECT_FALSE(parse_config("a = " + std::string(100000, '['), "t.toml", read_nothing));
}

TEST(ConfigTest, BuiltInConfigurationIsComplete) {
  const auto config = default_config();
  ASSERT_TRUE(config) << config.error().message;
  ASSERT_EQ(config->specialists.size(), 6u);
  EXPECT_EQ(config->specialists[0].name, "coding");
  for (const MemberConfig& member : config->specialists) {
    EXPECT_GE(member.intents.size(), 10u) << member.name;
    for (const Intent& intent : member.intents) EXPECT_GE(intent.examples.size(), 10u) << intent.name;
  }
  EXPECT_TRUE(read_config_file(*config, config->routing.evaluation));
}

TEST(ConfigTest, LoadsFromAFileWithRelativeIntents) {
  const auto config = load_config(std::string(SAIN_SOURCE_DIR) + "/router/specialists/sain.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->specialists.size(), 6u);
  EXPECT_TRUE(read_config_file(*config, "coding.toml"));
}

TEST(ConfigTest, MissingFileIsNotFound) {
  const auto config = load_config("/nowhere/sain.toml");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(config.error().message, HasSubstr("/nowhere/sain.toml"));
}

TEST(ConfigTest, ASpecialistMayBeInTheCloud) {
  const std::string assistant = "[assistant]\nname = \"Ada\"\nmodel = \"a.gguf\"\n";
  const auto parse = [&](const std::string& rest) { return parse_config(assistant + rest, "sain.toml", {}); };
  const auto config = parse(
      "[[specialist]]\nname = \"sage\"\n[specialist.cloud]\nurl = \"https://example.org/v1\"\n"
      "model = \"big\"\nkey_variable = \"SAGE_KEY\"\n[privacy]\nlevel = \"strict\"\n");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->specialists[0].cloud->model, "big");
  EXPECT_EQ(config->privacy.level, PrivacyLevel::kStrict);
  EXPECT_THAT(parse("[[specialist]]\nname = \"sage\"\n[specialist.cloud]\nurl = \"http://example.org\"\n"
                    "model = \"big\"\n")
                  .error()
                  .message,
              HasSubstr("sain.toml:7: specialist[0].cloud.url"));
  EXPECT_THAT(parse("[[specialist]]\nname = \"sage\"\n").error().message, HasSubstr("specialist[0].model"));
  EXPECT_THAT(parse("[privacy]\nlevel = \"much\"\n").error().message, HasSubstr("found \"much\""));
}

}  // namespace
}  // namespace sain::router
