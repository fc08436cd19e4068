#include "formats/grammar/automaton.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/formats/accepts.h"

namespace sain::formats {
namespace {

using Reading = GrammarAutomaton::Reading;

Reading read(GrammarAutomaton& automaton, std::string_view text) {
  Reading reading = automaton.start();
  for (const char byte : text) reading = automaton.step(reading, static_cast<uint8_t>(byte));
  return reading;
}

TEST(GrammarAutomaton, TextsThatTheGrammarCannotTellApartAreOneReading) {
  const Grammar grammar = *Grammar::parse(R"(root ::= "[" [a-z]+ ("," [a-z]+)* "]")");
  GrammarAutomaton automaton(grammar);
  EXPECT_EQ(read(automaton, "[a,b"), read(automaton, "[abc,d,efg"));
  EXPECT_NE(read(automaton, "[a"), read(automaton, "[a,"));
  EXPECT_EQ(read(automaton, "[A"), GrammarAutomaton::kDead);
  EXPECT_EQ(read(automaton, "[A]"), GrammarAutomaton::kDead);
}

TEST(GrammarAutomaton, SaysWhatCanFollow) {
  const Grammar grammar = *Grammar::parse(R"(root ::= "a" "b"?)");
  GrammarAutomaton automaton(grammar);
  EXPECT_FALSE(automaton.can_end(automaton.start()));
  EXPECT_TRUE(automaton.can_go_on(automaton.start()));
  EXPECT_TRUE(automaton.can_end(read(automaton, "a")));
  EXPECT_TRUE(automaton.can_go_on(read(automaton, "a")));
  EXPECT_TRUE(automaton.can_end(read(automaton, "ab")));
  EXPECT_FALSE(automaton.can_go_on(read(automaton, "ab")));
}

TEST(GrammarAutomaton, AListByRecursionNeedsNoDepth) {
  const Grammar grammar = *Grammar::parse(R"(root ::= "a" ("," root)?)");
  GrammarAutomaton automaton(grammar);
  EXPECT_EQ(read(automaton, "a"), read(automaton, "a,a,a,a"));
  std::string text = "a";
  for (int i = 0; i < 10'000; ++i) text += ",a";
  EXPECT_TRUE(automaton.can_end(read(automaton, text)));
  EXPECT_LT(automaton.bytes(), 10'000u);
}

TEST(GrammarAutomaton, NestsDeeply) {
  const Grammar grammar = *Grammar::parse(R"(root ::= "[" root? "]")");
  GrammarAutomaton automaton(grammar);
  const std::string open(5'000, '[');
  std::string text = open + std::string(open.size(), ']');
  EXPECT_TRUE(automaton.can_end(read(automaton, text)));
  text.pop_back();
  EXPECT_FALSE(automaton.can_end(read(automaton, text)));
}

// After n times "a" there are 2^n stacks: what cannot be followed is lost, and nothing false comes in.
TEST(GrammarAutomaton, HostileAmbiguityIsBounded) {
  const Grammar grammar = *Grammar::parse(R"(root ::= "a" root "b" | "a" root "c" | "d")");
  GrammarAutomaton automaton(grammar);
  EXPECT_TRUE(automaton.can_end(read(automaton, "aaadbcb")));
  EXPECT_FALSE(automaton.can_go_on(read(automaton, "aaadbcba")));
  EXPECT_NE(read(automaton, std::string(24, 'a') + "d"), GrammarAutomaton::kDead);
  EXPECT_EQ(read(automaton, std::string(24, 'a') + "dd"), GrammarAutomaton::kDead);
}

TEST(GrammarAutomaton, RulesThatMayBeEmptyInLoops) {
  const Grammar grammar = *Grammar::parse(R"(root ::= (a b)* "."
a ::= "x"* | b
b ::= ("y" | "")*)");
  EXPECT_TRUE(accepts(grammar, "."));
  EXPECT_TRUE(accepts(grammar, "xxyyxyyx."));
  EXPECT_FALSE(accepts(grammar, "xz."));
}

TEST(GrammarAutomaton, GrowsUpToItsLimits) {
  const Grammar grammar = *Grammar::parse("root ::= \"[\" root? \"]\"");
  for (const GrammarAutomaton::Limits limits : {GrammarAutomaton::Limits{.bytes = 100'000}, {.work = 1000}}) {
    GrammarAutomaton automaton(grammar, limits);
    Reading reading = automaton.start();
    size_t n = 0;
    for (; reading != GrammarAutomaton::kDead && n < 100'000; ++n) reading = automaton.step(reading, '[');
    EXPECT_GT(n, 100u);
    EXPECT_LT(n, 100'000u);
    EXPECT_TRUE(automaton.is_exhausted());
    EXPECT_LT(automaton.bytes(), 101'000u);
  }
}

}  // namespace
}  // namespace sain::formats
