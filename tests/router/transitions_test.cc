// Who answers next is learned from who answered before, and lasts.
#include "router/transitions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <numeric>

#include "tests/support/temporary_folder.h"

namespace sain::router {
namespace {

using ::testing::HasSubstr;
using Names = std::vector<std::string>;

const Names kNames = {"assistant", "coding", "writing"};

TEST(TransitionsTest, KnowsNothingAtFirst) {
  EXPECT_EQ(Transitions().next({}, kNames), std::vector<double>(3, 1.0 / 3));
}

TEST(TransitionsTest, LearnsWhatFollows) {
  Transitions transitions;
  for (int i = 0; i < 5; ++i) {
    transitions.record(Names{"coding"}, "writing");
    transitions.record(Names{"writing"}, "assistant");
  }
  const std::vector<double> p = transitions.next(Names{"coding"}, kNames);
  EXPECT_GT(p[2], 0.8);
  EXPECT_NEAR(std::accumulate(p.begin(), p.end(), 0.0), 1, 1e-12);
  EXPECT_GT(transitions.next(Names{"writing"}, kNames)[0], 0.8);
}

TEST(TransitionsTest, TwoBeforeCountMoreThanOne) {
  Transitions transitions;
  for (int i = 0; i < 5; ++i) {
    transitions.record(Names{"assistant", "coding"}, "writing");
    transitions.record(Names{"writing", "coding"}, "assistant");
  }
  EXPECT_GT(transitions.next(Names{"assistant", "coding"}, kNames)[2], 0.8);
  EXPECT_GT(transitions.next(Names{"writing", "coding"}, kNames)[0], 0.8);
}

TEST(TransitionsTest, OldCountsFade) {
  Transitions transitions;
  for (int i = 0; i < 300; ++i) transitions.record({}, "coding");
  for (int i = 0; i < 40; ++i) transitions.record({}, "writing");
  EXPECT_GT(transitions.next({}, kNames)[2], 0.75);
}

TEST(TransitionsTest, LastsInAFile) {
  const testing::TemporaryFolder folder;
  Transitions transitions;
  for (int i = 0; i < 5; ++i) transitions.record(Names{"coding"}, "writing");
  ASSERT_TRUE(transitions.save(folder / "new" / "transitions.toml"));
  Transitions again;
  const Status loaded = again.load(folder / "new" / "transitions.toml");
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_NEAR(again.next(Names{"coding"}, kNames)[2], transitions.next(Names{"coding"}, kNames)[2], 1e-3);
}

TEST(TransitionsTest, ABadFileChangesNothing) {
  const testing::TemporaryFolder folder;
  Transitions transitions;
  EXPECT_EQ(transitions.load(folder / "none.toml").error().code, ErrorCode::kNotFound);
  std::ofstream(folder / "bad.toml") << "[coding]\nwriting = -1\n";
  const Status bad = transitions.load(folder / "bad.toml");
  ASSERT_FALSE(bad);
  EXPECT_THAT(bad.error().message, HasSubstr("bad.toml:2"));
  EXPECT_EQ(transitions.next(Names{"coding"}, kNames), std::vector<double>(3, 1.0 / 3));
}

}  // namespace
}  // namespace sain::router
