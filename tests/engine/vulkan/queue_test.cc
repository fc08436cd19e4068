#include "engine/vulkan/queue.h"

#include <gtest/gtest.h>

#include <vector>

namespace sain::engine::vulkan {
namespace {

constexpr VkQueueFlags kGraphics = VK_QUEUE_GRAPHICS_BIT, kCompute = VK_QUEUE_COMPUTE_BIT,
                       kTransfer = VK_QUEUE_TRANSFER_BIT, kSparse = VK_QUEUE_SPARSE_BINDING_BIT, kVideo = 0x20;

std::vector<VkQueueFamilyProperties> families(std::vector<std::pair<VkQueueFlags, uint32_t>> flags_and_counts) {
  std::vector<VkQueueFamilyProperties> families;
  for (const auto& [flags, n] : flags_and_counts) families.push_back({flags, n, 64, {1, 1, 1}});
  return families;
}

TEST(VulkanQueues, ACopyEngineIsPreferred) {
  const auto nvidia = choose_queues(families({{kGraphics | kCompute | kTransfer | kSparse, 16},
                                              {kTransfer | kVideo, 1},
                                              {kTransfer | kSparse, 2},
                                              {kCompute | kTransfer, 8}}));
  ASSERT_TRUE(nvidia);
  EXPECT_EQ(nvidia->compute, (QueuePlace{0, 0}));
  EXPECT_EQ(nvidia->transfer, (QueuePlace{2, 0}));
  EXPECT_TRUE(nvidia->has_transfer_family());
  EXPECT_EQ(nvidia->timestamp_bits, 64u);
}

TEST(VulkanQueues, ElseASecondOneOfTheSameFamily) {
  const auto one_family = choose_queues(families({{kTransfer | kVideo, 1}, {kCompute | kTransfer, 2}}));
  ASSERT_TRUE(one_family);
  EXPECT_EQ(one_family->compute, (QueuePlace{1, 0}));
  EXPECT_EQ(one_family->transfer, (QueuePlace{1, 1}));
  EXPECT_FALSE(one_family->has_transfer_family());
}

TEST(VulkanQueues, OneMayBeAllThereIs) {
  const auto one = choose_queues(families({{kGraphics | kCompute | kTransfer, 1}}));
  ASSERT_TRUE(one);
  EXPECT_FALSE(one->transfer);
  EXPECT_FALSE(one->has_transfer_family());
  EXPECT_FALSE(choose_queues(families({{kTransfer, 1}, {kCompute, 0}}))) << "nothing computes";
}

}  // namespace
}  // namespace sain::engine::vulkan
