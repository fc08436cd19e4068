#include "formats/grammar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/formats/accepts.h"

namespace sain::formats {
namespace {

using namespace std::string_literals;
using ::testing::HasSubstr;

Grammar parsed(std::string_view text) {
  auto grammar = Grammar::parse(text);
  EXPECT_TRUE(grammar) << grammar.error().message << "\n" << text;
  return grammar ? *std::move(grammar) : *Grammar::parse("root ::= \"no grammar\"");
}

struct Case {
  std::string grammar;
  std::vector<std::string> texts, others;
};

void expect_fits(const Case& c) {
  const Grammar grammar = parsed(c.grammar);
  for (const std::string& text : c.texts) EXPECT_TRUE(accepts(grammar, text)) << c.grammar << "\nand " << text;
  for (const std::string& text : c.others) EXPECT_FALSE(accepts(grammar, text)) << c.grammar << "\nand " << text;
}

TEST(Grammar, Items) {
  const Case cases[] = {
      {R"(root ::= "abc")", {"abc"}, {"", "ab", "abcd", "x"}},
      {R"(root ::= "")", {""}, {"a"}},
      {R"(root ::= "a\n\t\r\"\\\x41\u00e9\U0001F600\[")", {"a\n\t\r\"\\A\u00e9\U0001F600["}, {"a"}},
      {R"(root ::= [a-c0-9_-])", {"a", "c", "5", "_", "-"}, {"d", "", "ab"}},
      {R"(root ::= [^a-c"])", {"d", "\n", "\u00e9", "\U0001F600"}, {"a", "\"", "\xC3", "\xFF", "\xED\xA0\x80"}},
      {R"(root ::= [\]\-\\^])", {"]", "-", "\\", "^"}, {"a"}},
      {R"(root ::= [α-ω])", {"α", "λ", "ω"}, {"a", "\xCE", "Ω"}},
      {R"(root ::= [\u0000-\U0010ffff])",
       {"\0"s, "\x7F", "\u0080", "\u07FF", "\u0800", "\uFFFF", "\U00010000", "\U0010FFFF"},
       {"\xC0\x80", "\xF4\x90\x80\x80", "\x80"}},
      {"root ::= .", {"a", "\n", "\u00e9"}, {"", "ab"}},
      {R"(root ::= "a" | "b" | )", {"a", "b", ""}, {"ab"}},
      {R"(root ::= ("a" | "b") "c")", {"ac", "bc"}, {"c", "abc"}},
      {R"(root ::= a a
          a ::= "x" b  # a comment
          b ::= "y")",
       {"xyxy"},
       {"xy"}},
  };
  for (const Case& c : cases) expect_fits(c);
}

TEST(Grammar, Repetition) {
  const Case cases[] = {
      {R"(root ::= "ab"*)", {"", "ab", "abab"}, {"a", "aba"}},
      {R"(root ::= "ab"+)", {"ab", "abab"}, {""}},
      {R"(root ::= "ab"?)", {"", "ab"}, {"abab"}},
      {R"(root ::= "a"{2})", {"aa"}, {"a", "aaa"}},
      {R"(root ::= "a"{ 2 , 3 })", {"aa", "aaa"}, {"a", "aaaa"}},
      {R"(root ::= "a"{2,})", {"aa", "aaaaaaa"}, {"a"}},
      {R"(root ::= "a"{0,2} "b"{0})", {"", "a", "aa"}, {"aaa", "b"}},
      {R"(root ::= ("a" [0-9]{1,2}){2})", {"a1a22"}, {"a1", "a1a222"}},
      {R"(root ::= "a"*+?)", {"", "aa"}, {"b"}},
      {R"(root ::= ("a"* "b"?)*)", {"", "aab", "bbab"}, {"c"}},
      {R"(root ::= ("a"?){3} "b")", {"b", "ab", "aaab"}, {"aaaab"}},
      {R"(root ::= "a" | "b"*)", {"a", "", "bb"}, {"ab", "ba"}},
  };
  for (const Case& c : cases) expect_fits(c);
}

TEST(Grammar, RulesCallEachOther) {
  expect_fits({R"-(root ::= "(" root* ")")-", {"()", "((()())())"}, {"", "(", "())"}});
  expect_fits({R"(root ::= item | item "," root
                  item ::= [a-z]+)",
               {"a", "a,bc,d"},
               {"", "a,", ",a"}});
  expect_fits({R"-(
    root ::= sum
    sum ::= product (("+" | "-") product)*
    product ::= value ([*/] value)*
    value ::= [0-9]+ | "(" sum ")"
  )-",
               {"1", "1+2*(3-4)/5", "((7))"},
               {"1+", "(1", "1)", "+1"}});
  // Palindromes need all the stack.
  expect_fits({R"(root ::= "a" root "a" | "b" root "b" | "c")", {"c", "abcba", "aabcbaa"}, {"abcab", "abcb"}});
}

TEST(Grammar, ABeginningIsKnownAsOne) {
  const Grammar grammar = parsed(R"(root ::= "\u00e9" [0-9]+ "end"?)");
  EXPECT_EQ(fit(grammar, ""), Fit::kBeginning);
  EXPECT_EQ(fit(grammar, "\xC3"), Fit::kBeginning);
  EXPECT_EQ(fit(grammar, "\u00e9"), Fit::kBeginning);
  EXPECT_EQ(fit(grammar,
                "\u00e9"
                "1"),
            Fit::kWhole);
  EXPECT_EQ(fit(grammar,
                "\u00e9"
                "1e"),
            Fit::kBeginning);
  EXPECT_EQ(fit(grammar, "\u00e8"), Fit::kNo);
}

TEST(Grammar, LayoutIsFree) {
  expect_fits({"root::=a|\n  \"b\"# to the end\n  \"c\"\r\n\ta\n::=(\n\"x\"\n|\"y\"\n)", {"x", "y", "bc"}, {"b"}});
  expect_fits({"# nothing but\n\nroot ::=\n  the-rule_2 *\nthe-rule_2 ::= \"a\"", {"", "aa"}, {}});
}

TEST(Grammar, ErrorsNameThePlace) {
  struct {
    std::string text, message;
  } const cases[] = {
      {"", "expected a rule 'root', found none"},
      {"rot ::= \"a\"", "expected a rule 'root', found none"},
      {"root = \"a\"", "grammar:1:6: expected '::=', found '='"},
      {"root ::= \"a", "grammar:1:12: expected the end of what was opened in this line, found the end"},
      {"root ::= \"a\nb\"", "grammar:1:12: expected the end of what was opened"},
      {"root ::= \"é\\q\"", "grammar:1:13: expected one of n, r, t, x, u, U or punctuation after '\\', found 'q'"},
      {"root ::= \"\\x4\"", "grammar:1:13: expected a character's number in 2 hexadecimal digits, found '4'"},
      {"root ::= \"\\ud800\"", "expected a character's number in 4 hexadecimal digits"},
      {"root ::= \"\\U00110000\"", "expected a character's number in 8 hexadecimal digits"},
      {"root ::= [z-a]", "grammar:1:10: expected ranges that go upwards"},
      {"root ::= []", "grammar:1:10: expected at least one character in the set"},
      {"root ::= [^\\x00-\\U0010FFFF]", "expected at least one character in the set"},
      {"root ::= (\"a\" | \"b\"", "expected an item, '|' or ')', found the end"},
      {"root ::= \"a\")", "grammar:1:13: expected an item, '|' or another rule, found ')'"},
      {"root ::= \"a\"{3,2}", "grammar:1:13: expected at most as many as at least, found 2 and 3"},
      {"root ::= \"a\"{,2}", "expected a number up to 65536, found ','"},
      {"root ::= \"a\"{65537}", "expected a number up to 65536"},
      {"root ::= \"a\"{-1}", "expected a number up to 65536, found '-'"},
      {"root ::= \"a\"{1;2}", "expected '}', found ';'"},
      {"root ::= *", "grammar:1:10: expected an item, '|' or another rule, found '*'"},
      {"root ::= \"a\"\nx ::= y\n", "grammar:2:7: rule 'y' is not defined"},
      {"root ::= \"a\"\nroot ::= \"b\"", "grammar:2:1: rule 'root' is there already"},
      {"root ::= \"\xFF\"", "grammar:1:11: expected UTF-8, found the byte 0xff"},
      {"root ::= root", "rule 'root' never ends"},
      {"root ::= \"a\" x\nx ::= \"b\" x", "grammar:1:1: rule 'root' never ends"},
      {"root ::= root \"a\" | \"b\"", "grammar:1:1: rule 'root' calls itself before it reads anything"},
      {"root ::= \"(\" a\na ::= b? \"\" c | \"x\"\nb ::= \"y\"\nc ::= a{2} \"z\"",
       "calls itself before it reads anything"},
  };
  for (const auto& c : cases) {
    const auto grammar = Grammar::parse(c.text);
    ASSERT_FALSE(grammar) << c.text;
    EXPECT_EQ(grammar.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(grammar.error().message, HasSubstr(c.message)) << c.text;
  }
}

TEST(Grammar, HasLimits) {
  const std::string deep(1000, '(');
  const std::string cases[] = {
      "root ::= \"" + std::string(Grammar::kMaxText, 'a') + "\"",
      "root ::= \"" + std::string(Grammar::kMaxText - 50, 'a') + "\"",
      "root ::= \"a\"{65536}{65536}{65536}{65536}{65536}{65536}",
  };
  for (const std::string& text : cases) {
    const auto grammar = Grammar::parse(text);
    ASSERT_FALSE(grammar);
    EXPECT_EQ(grammar.error().code, ErrorCode::kResourceExhausted) << grammar.error().message;
  }
  const auto grammar = Grammar::parse("root ::= " + deep + "\"a\"" + std::string(1000, ')'));
  ASSERT_FALSE(grammar);
  EXPECT_THAT(grammar.error().message, HasSubstr("expected at most 128 groups in each other"));
  EXPECT_TRUE(Grammar::parse("root ::= \"a\"{65536}"));
}

}  // namespace
}  // namespace sain::formats
