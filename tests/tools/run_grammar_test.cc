// `sain run` whose answer follows a grammar, on real weights at temperature 1, where a small model by itself breaks
// JSON.
#include <array>
#include <functional>
#include <set>

#include "tests/tools/program.h"

namespace sain::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr const char* kCoder = "qwen2.5-coder-0.5b-instruct";

using RunGrammar = RealModelTest;

struct Case {
  const char* prompt;
  const char* schema;
  std::function<void(const json&)> check;
};

void expect_keys(const json& object, const std::set<std::string>& needed, const std::set<std::string>& others = {}) {
  for (const std::string& key : needed) EXPECT_TRUE(object.contains(key)) << key << " in " << object;
  for (const auto& [key, value] : object.items()) EXPECT_TRUE(needed.contains(key) || others.contains(key)) << key;
}

const Case kPerson = {
    "Describe an invented person as JSON.",
    R"({"type": "object", "properties": {
          "name": {"type": "string", "minLength": 1, "maxLength": 20},
          "age": {"type": "integer", "minimum": 18, "maximum": 99},
          "height": {"type": ["number", "null"], "minimum": 0, "maximum": 3},
          "role": {"enum": ["admin", "user", "guest"]},
          "born": {"type": "string", "format": "date"},
          "tags": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]{2,8}$"}, "minItems": 1, "maxItems": 3},
          "address": {"$ref": "#/$defs/address"}},
        "required": ["name", "age", "role", "born", "tags"],
        "$defs": {"address": {"type": "object", "properties": {"city": {"type": "string", "maxLength": 20},
                                                              "home": {"type": "boolean"}}, "required": ["home"]}}})",
    [](const json& person) {
      expect_keys(person, {"name", "age", "role", "born", "tags"}, {"height", "address"});
      EXPECT_TRUE(person["age"].is_number_integer() && person["age"] >= 18 && person["age"] <= 99) << person;
      EXPECT_TRUE((std::set<json>{"admin", "user", "guest"}).contains(person["role"])) << person;
      EXPECT_EQ(person["born"].get<std::string>().size(), 10u);
      EXPECT_TRUE(person["tags"].size() >= 1 && person["tags"].size() <= 3) << person;
      for (const json& tag : person["tags"]) {
        EXPECT_EQ(tag.get<std::string>().find_first_not_of("abcdefghijklmnopqrstuvwxyz"), std::string::npos) << tag;
      }
      const json height = person.value("height", json());
      EXPECT_TRUE(height.is_null() || (height >= 0 && height <= 3)) << person;
      if (person.contains("address")) expect_keys(person["address"], {"home"}, {"city"});
    }};

const Case kSteps = {"List the steps to make tea, as JSON.",
                     R"({"type": "array", "minItems": 2, "maxItems": 4, "items": {"anyOf": [
          {"type": "object", "properties": {"step": {"type": "string", "maxLength": 30}}, "required": ["step"]},
          {"type": "object", "properties": {"wait_minutes": {"type": "number", "exclusiveMinimum": 0, "maximum": 20}},
           "required": ["wait_minutes"]}]}})",
                     [](const json& steps) {
                       EXPECT_TRUE(steps.is_array() && steps.size() >= 2 && steps.size() <= 4) << steps;
                       for (const json& step : steps) {
                         ASSERT_EQ(step.size(), 1u) << step;
                         if (step.contains("step")) continue;
                         EXPECT_TRUE(step["wait_minutes"] > 0 && step["wait_minutes"] <= 20) << step;
                       }
                     }};

void expect_fits(const char* model, const Case& c, int seed) {
  const TemporaryFile schema("schema.json", c.schema);
  const json answer = json_of(run_sain({"run", "-m", model, "-p", c.prompt, "--json-schema", schema.path(), "--temp",
                                        "1", "--seed", std::to_string(seed), "-n", "500", "--json"}));
  const std::string text = answer["text"];
  EXPECT_EQ(answer["finish_reason"], "stop") << text;
  const json value = json::parse(text, nullptr, false);
  ASSERT_FALSE(value.is_discarded()) << text;
  c.check(value);
}

TEST_F(RunGrammar, JsonFitsItsSchema) {
  for (const Case& c : {kPerson, kSteps}) {
    for (int seed = 1; seed <= 4; ++seed) expect_fits(kModel, c, seed);
  }
}

TEST_F(RunGrammar, JsonOfAnotherVocabularyFitsItsSchema) {
  ASSERT_TRUE(router::resolve_model(kCoder)) << "the tests need `sain models fetch " << kCoder << "`";
  for (const Case& c : {kPerson, kSteps}) expect_fits(kCoder, c, 1);
}

TEST_F(RunGrammar, AnObjectOfAnyKind) {
  for (const char* seed : {"1", "2"}) {
    const json answer = json_of(run_sain({"run", "-m", kModel, "-p", "Describe a cat as JSON.", "--json-object",
                                          "--temp", "1", "--seed", seed, "-n", "60", "--json"}));
    const std::string text = answer["text"];
    EXPECT_EQ(text.substr(0, 1), "{");
    EXPECT_EQ(json::accept(text), answer["finish_reason"] == "stop") << text;
  }
}

TEST_F(RunGrammar, AGrammarOfOnesOwn) {
  const TemporaryFile grammar("answer.gbnf", "root ::= (\"yes\" | \"no\") \", because \" [a-z ]{10,40} \".\"\n");
  const ProcessResult result = run_sain({"run", "-m", kModel, "-p", "Is water wet?", "--grammar", grammar.path()});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, ::testing::MatchesRegex("(yes|no), because [a-z ]+\\.\n"));
}

TEST(RunWithoutModel, AGrammarThatIsNoneIsAnErrorBeforeAnythingIsLoaded) {
  struct {
    const char *option, *content, *message;
  } const cases[] = {
      {"--grammar", "root ::= \"a\" |\n  b", "grammar:2:3: rule 'b' is not defined"},
      {"--json-schema", R"({"properties": {"a": {"not": {}}}})", "schema at '/properties/a': the keyword 'not'"},
      {"--json-schema", "{\"type\": }", "line 1, column 10"},
  };
  for (const auto& c : cases) {
    const TemporaryFile file("rules", c.content);
    const ProcessResult result = run_sain({"run", "-m", "no-such-model", "-p", "x", c.option, file.path()});
    EXPECT_NE(result.exit_code, 0);
    EXPECT_THAT(result.err, HasSubstr(file.path()));
    EXPECT_THAT(result.err, HasSubstr(c.message));
  }
  EXPECT_EQ(run_sain({"run", "-m", "x", "-p", "x", "--json-object", "--grammar", "x"}).exit_code, 2);
}

}  // namespace
}  // namespace sain::test
