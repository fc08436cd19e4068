// What asks for one thing after another is taken apart, and nothing else is.
#include "router/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sain::router {
namespace {

using ::testing::ElementsAre;

TEST(SplitStepsTest, OneThingAfterAnother) {
  EXPECT_THAT(split_steps("Write a function that sorts names, then explain it in Spanish."),
              ElementsAre("Write a function that sorts names", "explain it in Spanish."));
  EXPECT_THAT(split_steps("Compute 17 % of 340. After that, translate the answer into French"),
              ElementsAre("Compute 17 % of 340", "translate the answer into French"));
  EXPECT_THAT(split_steps("Write a haiku about rain and translate it into German, and finally explain the metre."),
              ElementsAre("Write a haiku about rain", "translate it into German", "explain the metre."));
  EXPECT_THAT(split_steps("first sort the list,\nthen print every line; then count all of them"),
              ElementsAre("first sort the list", "print every line", "count all of them"));
}

TEST(SplitStepsTest, OneThing) {
  for (const char* text : {"Write a function that reads and writes files", "What happened then?", "",
                           "Translate \"do this, then do that please\" into French", "Why, then?",
                           "Explain `a = b; then c = d` to me", "salt and pepper", "if it rains then take a coat"})
    EXPECT_THAT(split_steps(text), ElementsAre(text)) << text;
}

TEST(SplitStepsTest, NeverMoreThanFour) {
  std::string text = "walk the dog";
  for (int i = 0; i < 20; ++i) text += ", then feed the cat";
  EXPECT_EQ(split_steps(text).size(), 4u);
}

}  // namespace
}  // namespace sain::router
