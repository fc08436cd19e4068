// R6, R12: a package says what it is for, where that ends and how good it is at it, or it is refused with the reason.
#include "router/packages/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/router/packages/package_folder.h"

namespace sain::router {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Result<std::string> read_beside(const std::string& name) {
  if (name == "intents.toml") return std::string(test::kChessIntents);
  if (name == "questions.toml") return std::string(test::kChessQuestions);
  return make_error(ErrorCode::kNotFound, "{}: there is no such file", name);
}

Result<PackageManifest> parse(const std::string& text) {
  return parse_manifest(text, "package.toml", read_beside);
}

/// The chess manifest with `from` replaced.
std::string error_with(const std::string& from, const std::string& to) {
  std::string text = test::chess_manifest("1.0.0");
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  const auto manifest = parse(text.replace(at, from.size(), to));
  return manifest ? "accepted" : manifest.error().message;
}

TEST(ManifestTest, SaysAllThatThereIsToKnow) {
  const auto manifest = parse(test::chess_manifest("1.0.0-rc.1+build"));
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->member.name, "chess");
  EXPECT_EQ(manifest->member.version, "1.0.0-rc.1+build");
  EXPECT_EQ(manifest->member.system_prompt, "You are a chess master.");
  EXPECT_EQ(manifest->licence, "Apache-2.0");
  EXPECT_THAT(manifest->boundaries, HasSubstr("coding's"));
  ASSERT_EQ(manifest->member.intents.size(), 2u);
  EXPECT_EQ(manifest->member.intents[1].name, "endgames");
  EXPECT_EQ(manifest->metric.name, "openings by name");
  ASSERT_EQ(manifest->metric.questions.size(), 1u);
  EXPECT_THAT(manifest->metric.questions[0].answers, ElementsAre("Ruy Lopez", "Spanish"));
  EXPECT_TRUE(manifest->has_own_model());
  EXPECT_THAT(manifest->files, ElementsAre("package.toml", "intents.toml", "model.gguf", "questions.toml"));
}

TEST(ManifestTest, AModelOfTheCatalogueIsNoFileOfThePackage) {
  std::string text = test::chess_manifest("1.0.0");
  text.replace(text.find("model.gguf"), 10, "gemma-3-270m");
  const auto manifest = parse(text);
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_FALSE(manifest->has_own_model());
  EXPECT_THAT(manifest->files, ElementsAre("package.toml", "intents.toml", "questions.toml"));
}

TEST(ManifestTest, AnAdapterIsAFileOfThePackage) {
  std::string text = test::chess_manifest("1.0.0");
  text.insert(text.find("system_prompt"), "adapter = \"lora.gguf\"\nadapter_scale = 0.5\n");
  const auto manifest = parse(text);
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->member.adapter_scale, 0.5F);
  EXPECT_THAT(manifest->files, ::testing::Contains("lora.gguf"));
  EXPECT_THAT(error_with("[metric]", "adapter = \"a/b.gguf\"\n[metric]"), HasSubstr("found \"a/b.gguf\""));
}

TEST(ManifestTest, WhatIsMissingIsNamed) {
  const std::string whole = test::chess_manifest("1.0.0");
  for (const std::string key : {"name", "version", "boundaries", "licence", "model"}) {
    std::string text = whole;
    const size_t at = text.find("\n" + key + " =") + 1;
    text.erase(at, text.find('\n', at) - at);
    const auto manifest = parse(text);
    ASSERT_FALSE(manifest) << key;
    EXPECT_THAT(manifest.error().message, HasSubstr(key + ": is missing"));
  }
  EXPECT_THAT(error_with("description", "# description"), HasSubstr("description: is missing"));
  EXPECT_THAT(error_with("intents = \"intents.toml\"", ""), HasSubstr("intents: expected example requests"));
  const auto without_metric = parse(whole.substr(0, whole.find("[metric]")));
  ASSERT_FALSE(without_metric);
  EXPECT_THAT(without_metric.error().message, HasSubstr("metric: is missing"));
}

TEST(ManifestTest, WhatIsWrongIsNamedWithItsValue) {
  EXPECT_THAT(error_with("\"chess\"", "\"Chess!\""), HasSubstr("package.toml:2: name: expected"));
  EXPECT_THAT(error_with("\"chess\"", "\"assistant\""), HasSubstr("name: expected"));
  EXPECT_THAT(error_with("\"1.0.0\"", "\"v1\""), HasSubstr("version: expected [0-9][0-9A-Za-z.+-]* "));
  EXPECT_THAT(error_with("\"1.0.0\"", "\"1/../2\""), HasSubstr("version: expected"));
  EXPECT_THAT(error_with("\"model.gguf\"", "\"../model.gguf\""), HasSubstr("file in the package, found \"../model"));
  EXPECT_THAT(error_with("\"intents.toml\"", "\"/etc/passwd\""), HasSubstr("found \"/etc/passwd\""));
  EXPECT_THAT(error_with("\"questions.toml\"", "\"none.toml\""), HasSubstr("none.toml: there is no such file"));
  EXPECT_THAT(error_with("[metric]", "surprise = 1\n[metric]"), HasSubstr("surprise: is not a known key"));
  EXPECT_THAT(error_with("[metric]", "[metric]\nminimum = 2"),
              HasSubstr("metric.minimum: expected a number from 0 to 1"));
  EXPECT_THAT(error_with("[metric]", "cloud = { url = \"https://a.b/c\", model = \"m\" }\n[metric]"),
              HasSubstr("cloud: a package is of this machine"));
}

TEST(ManifestTest, QuestionsNeedAnswers) {
  for (const auto& [bad, message] :
       {std::pair{"", "question: is missing"}, std::pair{"question = 1", "expected [[question]] tables, found 1"},
        std::pair{"question = []", "expected [[question]] tables"},
        std::pair{"[[question]]\nprompt = \"a\"", "question[0].answers: expected one at least"},
        std::pair{"[[question]]\nprompt = \"\"\nanswers = [\"a\"]", "question[0].prompt: must not be empty"},
        std::pair{"[[question]]\nprompt = \"a\"\nanswers = [\"\"]", "must not hold an empty string"}}) {
    const std::string questions = bad;
    const auto manifest =
        parse_manifest(test::chess_manifest("1"), "package.toml", [&](const std::string& name) -> Result<std::string> {
          if (name == "questions.toml") return questions;
          return read_beside(name);
        });
    ASSERT_FALSE(manifest) << questions;
    EXPECT_THAT(manifest.error().message, HasSubstr(message));
  }
}

}  // namespace
}  // namespace sain::router
