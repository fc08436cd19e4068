#include "engine/prompt_lookup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace sain::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<Token> proposed(PromptLookup& lookup, const std::vector<Token>& history) {
  const auto draft = lookup.propose(history);
  return {draft.begin(), draft.end()};
}

/// Passes whose cost grows by `more` of a single token's for each token.
void set_cost(PromptLookup& lookup, double more) {
  for (size_t n = 1; n <= PromptLookup::kMaxDraft + 1; ++n) {
    lookup.observe_pass(n, 10 * (1 + more * static_cast<double>(n - 1)));
  }
}

/// Generates `n` more tokens by source(i), and gives the number of passes that took with the lookup's drafts.
template <class Source>
size_t passes(PromptLookup& lookup, std::vector<Token> history, size_t n, Source&& source) {
  size_t n_passes = 0, n_done = 0;
  while (n_done < n) {
    const std::vector<Token> draft = proposed(lookup, history);
    std::vector<Token> actual;
    do {
      actual.push_back(source(n_done++));
    } while (actual.size() <= draft.size() && actual.back() == draft[actual.size() - 1]);
    lookup.observe(actual);
    history.insert(history.end(), actual.begin(), actual.end());
    ++n_passes;
  }
  return n_passes;
}

TEST(PromptLookup, KnowsNothingWithoutARepetition) {
  PromptLookup lookup;
  EXPECT_THAT(proposed(lookup, {}), IsEmpty());
  EXPECT_THAT(proposed(lookup, {1}), IsEmpty());
  EXPECT_THAT(proposed(lookup, {1, 2, 3, 4, 5}), IsEmpty());
  EXPECT_THAT(proposed(lookup, {7, 1, 2, 3, 7}), IsEmpty());  // one token alone says little
}

TEST(PromptLookup, FollowsTheLongestMatchAndTheLatestOfThose) {
  PromptLookup lookup;
  set_cost(lookup, 0);
  // 5 6 7 is followed by 1 and by 2; 6 7 by 3 in between.
  std::vector<Token> draft = proposed(lookup, {5, 6, 7, 1, 9, 5, 6, 7, 2, 8, 6, 7, 3, 4, 5, 6, 7});
  ASSERT_GE(draft.size(), 5u);
  draft.resize(5);
  EXPECT_THAT(draft, ElementsAre(2, 8, 6, 7, 3));
}

TEST(PromptLookup, ARepetitionGoesOn) {
  PromptLookup lookup;
  set_cost(lookup, 0);
  const std::vector<Token> draft = proposed(lookup, {1, 2, 3, 1, 2, 3, 1, 2});
  ASSERT_EQ(draft.size(), PromptLookup::kMaxDraft);
  for (size_t i = 0; i < draft.size(); ++i) EXPECT_EQ(draft[i], static_cast<Token>((i + 2) % 3 + 1)) << i;
}

TEST(PromptLookup, CopiedTextTakesFewPasses) {
  PromptLookup lookup;
  set_cost(lookup, 0.1);
  std::vector<Token> history;
  for (Token i = 0; i < 300; ++i) history.push_back(1000 + i);
  history.push_back(1);
  for (Token i = 0; i < 4; ++i) history.push_back(1000 + i);
  const size_t n = passes(lookup, history, 290, [](size_t i) { return static_cast<Token>(1004 + i); });
  EXPECT_LT(n, 60u);
  EXPECT_GE(n, 290 / (PromptLookup::kMaxDraft + 1));
}

TEST(PromptLookup, DraftsThatFailEnd) {
  PromptLookup lookup;
  set_cost(lookup, 0.1);
  // Pairs repeat, what follows them never does.
  const auto source = [](size_t i) { return static_cast<Token>(i % 3 == 2 ? 1000 + i : i % 3); };
  passes(lookup, {0, 1, 999}, 100, source);
  EXPECT_THAT(proposed(lookup, {0, 1, 5, 0, 1}), IsEmpty());
}

TEST(PromptLookup, ComeBackWhenTheyWouldHaveComeTrue) {
  PromptLookup lookup;
  set_cost(lookup, 0.1);
  passes(lookup, {0, 1, 999}, 100, [](size_t i) { return static_cast<Token>(i % 3 == 2 ? 1000 + i : i % 3); });
  ASSERT_THAT(proposed(lookup, {0, 1, 5, 0, 1}), IsEmpty());
  const std::vector<Token> five = {5};
  for (int i = 0; i < 40; ++i) {
    lookup.propose(std::vector<Token>{0, 1, 5, 0, 1});
    lookup.observe(five);
  }
  EXPECT_FALSE(proposed(lookup, {0, 1, 5, 0, 1}).empty());
}

TEST(PromptLookup, ADraftThatCostsMoreThanItSavesIsNotMade) {
  const std::vector<Token> history = {1, 2, 3, 1, 2, 3, 1, 2, 3};
  PromptLookup cheap, dear;
  set_cost(cheap, 0.05);
  set_cost(dear, 1);
  EXPECT_GT(proposed(cheap, history).size(), 3u);
  EXPECT_THAT(proposed(dear, history), IsEmpty());
}

TEST(PromptLookup, OneSlowPassIsNotTheRule) {
  const std::vector<Token> history = {1, 2, 3, 1, 2, 3, 1, 2, 3};
  PromptLookup lookup;
  set_cost(lookup, 0.05);
  const size_t before = proposed(lookup, history).size();
  lookup.observe_pass(before + 1, 10000);
  EXPECT_FALSE(proposed(lookup, history).empty());
}

TEST(PromptLookup, NeverReadsOutsideAnyHistory) {
  std::mt19937 random(5);
  for (int round = 0; round < 2000; ++round) {
    PromptLookup lookup;
    set_cost(lookup, 0);
    std::vector<Token> history(random() % 20);
    for (Token& token : history) token = static_cast<Token>(random() % 3);
    for (const Token token : proposed(lookup, history)) EXPECT_THAT(history, ::testing::Contains(token));
  }
}

}  // namespace
}  // namespace sain::engine
