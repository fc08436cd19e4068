#include "router/packages/metric.h"

#include <gtest/gtest.h>

namespace sain::router {
namespace {

bool right(std::string_view text, std::vector<std::string> answers) {
  return is_right(text, answers);
}

TEST(MetricTest, AnAnswerIsRightWithTheWholeWords) {
  EXPECT_TRUE(right("It is the RUY LOPEZ, or Spanish.", {"Ruy Lopez"}));
  EXPECT_TRUE(right("spanish", {"Ruy Lopez", "Spanish"}));
  EXPECT_FALSE(right("The Spaniards", {"Spanish", "Spaniard"}));
  EXPECT_TRUE(right("= 42.", {"42"}));
  EXPECT_FALSE(right("142 or 421", {"42"}));
  EXPECT_TRUE(right("142, then 42", {"42"})) << "a later one";
  EXPECT_TRUE(right("x=-1", {"-1"})) << "beside a sign anything may stand";
  EXPECT_FALSE(right("caf\xC3\xA9", {"caf"})) << "a letter beyond ASCII goes on with the word";
  EXPECT_FALSE(right("", {"a"}));
  EXPECT_FALSE(right("a", {}));
}

TEST(MetricTest, TheStandardErrorIsThatOfAShare) {
  EXPECT_EQ(score({}).share, 0);
  EXPECT_EQ(score({true, true}).standard_error, 0);
  std::vector<bool> half(100, true);
  for (size_t i = 0; i < 50; ++i) half[i] = false;
  EXPECT_DOUBLE_EQ(score(half).share, 0.5);
  EXPECT_DOUBLE_EQ(score(half).standard_error, 0.05);
}

TEST(MetricTest, ADropBeyondNoiseIsToldFromChance) {
  const auto chance = [](size_t n_worse, size_t n_better) {
    std::vector<bool> before(40, true), after(40, true);
    for (size_t i = 0; i < n_worse; ++i) after[i] = false;
    for (size_t i = 0; i < n_better; ++i) before[39 - i] = false;
    return chance_of_drop(before, after);
  };
  EXPECT_DOUBLE_EQ(chance(0, 0), 1);
  EXPECT_DOUBLE_EQ(chance(0, 5), 1);
  EXPECT_NEAR(chance(1, 0), 0.5, 1e-12);
  EXPECT_NEAR(chance(4, 0), 1.0 / 16, 1e-12) << "may be chance";
  EXPECT_NEAR(chance(5, 0), 1.0 / 32, 1e-12) << "hardly";
  EXPECT_NEAR(chance(8, 2), 56.0 / 1024, 1e-12);
  EXPECT_NEAR(chance(3, 3), 42.0 / 64, 1e-12);
  EXPECT_NEAR(chance_of_drop(std::vector<bool>(5000, true), std::vector<bool>(5000, false)), 0, 1e-300);
}

}  // namespace
}  // namespace sain::router
