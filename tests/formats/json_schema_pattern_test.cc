#include "formats/json_schema/pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/formats/accepts.h"

namespace sain::formats {
namespace {

using ::testing::HasSubstr;

/// What stands between the quotes.
bool matches(std::string_view pattern, std::string_view text) {
  const auto expression = pattern_expression(pattern);
  EXPECT_TRUE(expression) << pattern << ": " << expression.error().message;
  if (!expression) return false;
  const auto grammar = Grammar::parse(GrammarText().finish(*expression));
  EXPECT_TRUE(grammar) << pattern << ": " << grammar.error().message;
  return grammar && accepts(*grammar, text);
}

TEST(JsonSchemaPattern, Matches) {
  struct {
    const char* pattern;
    std::vector<const char*> texts, others;
  } const cases[] = {
      {"", {"", "anything"}, {"\""}},
      {"b", {"b", "abc", R"(\nb)"}, {"a", ""}},
      {"^b", {"b", "bc"}, {"ab"}},
      {"b$", {"b", "ab"}, {"ba"}},
      {"^a$|^b", {"a", "b", "bc"}, {"ab", "ac"}},
      {"^(a|bc)*$", {"", "abca"}, {"b"}},
      {"^(?:ab?){2,3}$", {"aa", "abab", "aaab"}, {"a", "aaaa"}},
      {"^a+?b*?c??$", {"a", "aabbc"}, {"b"}},
      {"^.$", {"a", "é", R"(\")", R"(\\)", R"(\t)"}, {R"(\n)", "ab", ""}},
      {R"(^\d\w\s$)", {"1_ ", R"(0a\t)"}, {"aa ", "1- "}},
      {R"(^\D\W\S$)", {"a-b", R"(x\"y)"}, {"1-b", "aab", "a- "}},
      {R"(^[\d_-]+$)", {"1-_"}, {"a"}},
      {R"(^[^\d\s]$)", {"a", "é"}, {"1", " "}},
      {R"(^\.\/\^\x41\u00e9\n$)", {R"(./^Aé\n)"}, {"a/^Aé"}},
      {R"(^[\]\\"]$)", {"]", R"(\\)", R"(\")"}, {"\"", "\\"}},
      {"^[α-ω]$", {"λ"}, {"a"}},
  };
  for (const auto& c : cases) {
    for (const char* text : c.texts) EXPECT_TRUE(matches(c.pattern, text)) << c.pattern << " and " << text;
    for (const char* text : c.others) EXPECT_FALSE(matches(c.pattern, text)) << c.pattern << " and " << text;
  }
}

TEST(JsonSchemaPattern, ErrorsNameThePlace) {
  struct {
    std::string pattern;
    ErrorCode code;
    const char* message;
  } const cases[] = {
      {"a^b", ErrorCode::kUnsupported, "anchors at the ends only at offset 1"},
      {"a$b", ErrorCode::kUnsupported, "expected nothing after '$'"},
      {"(^a)", ErrorCode::kUnsupported, "anchors at the ends only at offset 1"},
      {"(?<n>a)", ErrorCode::kUnsupported, "expected plain groups at offset 1"},
      {R"(\bword)", ErrorCode::kUnsupported, "expected another escape at offset 1"},
      {R"((a)\1)", ErrorCode::kUnsupported, "expected another escape at offset 4"},
      {R"(\p{L})", ErrorCode::kUnsupported, "expected another escape"},
      {R"(\ud83d)", ErrorCode::kUnsupported, "expected a character's number in 4 digits"},
      {"*", ErrorCode::kInvalidArgument, "expected something to repeat at offset 0"},
      {"a{2", ErrorCode::kInvalidArgument, "expected '}'"},
      {"a{,2}", ErrorCode::kInvalidArgument, "expected {n}, {n,} or {n,m}"},
      {"(a", ErrorCode::kInvalidArgument, "expected ')' at offset 2"},
      {"a)", ErrorCode::kInvalidArgument, "at offset 1"},
      {"[b-a]", ErrorCode::kInvalidArgument, "expected a range that goes upwards"},
      {R"([\d-z])", ErrorCode::kInvalidArgument, "expected a range that goes upwards"},
      {"[]", ErrorCode::kInvalidArgument, "expected a set with a character in it"},
      {"a\\", ErrorCode::kInvalidArgument, "expected a character"},
      {"\xFF", ErrorCode::kInvalidArgument, "expected UTF-8"},
      {std::string(100, '(') + std::string(100, ')'), ErrorCode::kUnsupported, "fewer groups in each other"},
  };
  for (const auto& c : cases) {
    const auto expression = pattern_expression(c.pattern);
    ASSERT_FALSE(expression) << c.pattern;
    EXPECT_EQ(expression.error().code, c.code) << c.pattern;
    EXPECT_THAT(expression.error().message, HasSubstr(c.message)) << c.pattern;
  }
}

}  // namespace
}  // namespace sain::formats
