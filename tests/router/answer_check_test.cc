// Refusals are told from answers, and never held back for long.
#include "router/answer_check.h"

#include <gtest/gtest.h>

#include <string>

namespace sain::router {
namespace {

TEST(AnswerCheckTest, Refusals) {
  for (const char* text : {"I'm sorry, but I can't assist with that.", "  I\u2019m sorry, but I cannot help you.",
                           "\"Sorry, I can't do that.\"", "As an AI language model, I cannot feel."})
    EXPECT_TRUE(is_refusal(text)) << text;
}

TEST(AnswerCheckTest, Answers) {
  for (const char* text : {"I can't wait to show you: int main() {}", "Sorry is written with two r.", "",
                           "I cannot stress enough how much faster a hash table is.", "def f(x): return x"})
    EXPECT_FALSE(is_refusal(text)) << text;
  EXPECT_FALSE(is_refusal("I'm sorry, but I can't run it here. " + std::string(400, 'x'))) << "it goes on at length";
}

TEST(AnswerCheckTest, OnlyWhatMayBecomeARefusalIsHeldBack) {
  EXPECT_TRUE(may_become_refusal(""));
  EXPECT_TRUE(may_become_refusal("I'm sor"));
  EXPECT_TRUE(may_become_refusal("I'm sorry, but I can't assist"));
  EXPECT_FALSE(may_become_refusal("I'm sorted"));
  EXPECT_FALSE(may_become_refusal("def"));
  EXPECT_FALSE(may_become_refusal("I'm sorry, but I can't run it here. " + std::string(400, 'x')));
}

}  // namespace
}  // namespace sain::router
