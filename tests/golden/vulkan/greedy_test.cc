// The real models on a Vulkan device, against the fp32 reference. A driver in software takes a second a token, so these
// are few.
#include "tests/golden/golden.h"

#include "engine/vulkan/forward.h"

namespace sain::testing {
namespace {

using formats::Token;
namespace vulkan = engine::vulkan;

class VulkanGreedyGolden : public GoldenTest {};

TEST_P(VulkanGreedyGolden, TheShortestPromptGoesOnAsTheReferenceDoes) {
  constexpr uint32_t kTokens = 6;
  const auto instance = vulkan::Instance::create();
  if (!instance) GTEST_SKIP() << instance.error().message;
  if ((*instance)->devices()->empty()) GTEST_SKIP() << "no Vulkan device";
  const auto device = *vulkan::Device::open(**instance, 0);
  const auto pipelines = *vulkan::Pipelines::create(*device);
  vulkan::Uploader uploader(*device);
  const auto weights =
      vulkan::DeviceWeights::load(*device, uploader, *model, vulkan::ModelPart::whole(model->config()));
  ASSERT_TRUE(weights) << weights.error().message;
  const auto forward = vulkan::Forward::create(*device, *pipelines, *weights, *model, {.max_length = 256});
  ASSERT_TRUE(forward) << forward.error().message;

  std::vector<Token> prompt, expected;
  const auto golden = golden_json(GetParam(), "greedy");
  for (const auto& c : golden["cases"]) {
    const auto ids = c["prompt_ids"].get<std::vector<Token>>();
    if (!prompt.empty() && ids.size() >= prompt.size()) continue;
    prompt = ids;
    expected = c["output_ids"].get<std::vector<Token>>();
  }
  ASSERT_GE(expected.size(), kTokens);
  expected.resize(kTokens);
  const Status appended = (*forward)->append(prompt);
  ASSERT_TRUE(appended) << appended.error().message;
  const auto tokens = (*forward)->append_likeliest(kTokens);
  ASSERT_TRUE(tokens) << tokens.error().message;
  EXPECT_EQ(*tokens, expected);
}

INSTANTIATE_TEST_SUITE_P(Models, VulkanGreedyGolden,
                         ::testing::Values("smollm2-135m-instruct", "gemma-3-270m", "qwen2.5-coder-0.5b-instruct",
                                           "qwen2.5-coder-1.5b-instruct"),
                         test_name);

}  // namespace
}  // namespace sain::testing
