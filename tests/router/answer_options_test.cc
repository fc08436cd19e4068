#include "router/answer_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sain::router {
namespace {

using ::testing::ElementsAre;

MemberConfig member() {
  MemberConfig member = {.name = "coding", .model = "m", .system_prompt = "You know.", .max_tokens = 9};
  member.stop_strings = {"own"};
  member.sampling.temperature = 0.5f;
  member.sampling.top_k = 7;
  return member;
}

TEST(AnswerOptions, WhatIsNotSaidIsTheMembersOwn) {
  const MemberConfig same = with(member(), {});
  EXPECT_EQ(same.system_prompt, "You know.");
  EXPECT_EQ(same.max_tokens, 9u);
  EXPECT_EQ(same.sampling.temperature, 0.5f);
  EXPECT_THAT(same.stop_strings, ElementsAre("own"));
}

TEST(AnswerOptions, WhatIsSaidCounts) {
  const MemberConfig changed = with(member(), {.system_prompt = "Be brief.",
                                               .max_tokens = 3,
                                               .stop_strings = {"x"},
                                               .temperature = 0,
                                               .presence_penalty = 1,
                                               .seed = 4,
                                               .logit_bias = {{5, -1}}});
  EXPECT_EQ(changed.system_prompt, "You know.\n\nBe brief.");
  EXPECT_EQ(changed.max_tokens, 3u);
  EXPECT_THAT(changed.stop_strings, ElementsAre("own", "x"));
  EXPECT_EQ(changed.sampling.temperature, 0);
  EXPECT_EQ(changed.sampling.top_k, 7);
  EXPECT_EQ(changed.sampling.presence_penalty, 1);
  EXPECT_EQ(changed.sampling.seed, 4u);
  EXPECT_THAT(changed.sampling.logit_bias, ElementsAre(std::pair(5, -1.0f)));
}

TEST(AnswerOptions, ARawRequestIsAllThatIsRead) {
  const MemberConfig raw = with(member(), {.system_prompt = "Be brief.", .is_raw = true, .stop_strings = {"x"}});
  EXPECT_EQ(raw.system_prompt, "");
  EXPECT_THAT(raw.stop_strings, ElementsAre("x"));
  EXPECT_EQ(raw.sampling.top_k, 7);
}

}  // namespace
}  // namespace sain::router
