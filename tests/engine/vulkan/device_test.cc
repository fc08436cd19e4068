#include "engine/vulkan/device.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <numeric>
#include <vector>

#include "engine/vulkan/memory.h"
#include "engine/vulkan/pipeline.h"
#include "shaders/spirv.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/vulkan_fixture.h"

namespace sain::engine::vulkan {
namespace {

using sain::testing::all_limits;
using sain::testing::limits_name;

using VulkanDevice = sain::testing::VulkanTest;

TEST(VulkanCapabilities, LimitedIsNoMoreThanTheDevice) {
  Capabilities strong = {.subgroups = true,
                         .fp16 = true,
                         .max_workgroup = 1024,
                         .shared_bytes = 48 << 10,
                         .storage_range = uint64_t{4} << 30,
                         .allocation_bytes = uint64_t{1} << 30};
  const Capabilities weak = strong.limited();
  EXPECT_FALSE(weak.subgroups || weak.fp16);
  EXPECT_EQ(weak.max_workgroup, 128u);
  EXPECT_EQ(weak.shared_bytes, 16u << 10);
  EXPECT_EQ(weak.storage_range, uint64_t{128} << 20);
  EXPECT_EQ(weak.allocation_bytes, uint64_t{256} << 20);
  EXPECT_EQ(weak.piece_bytes(), uint64_t{128} << 20);
  strong.max_workgroup = 64;
  EXPECT_EQ(strong.limited().max_workgroup, 64u);
}

TEST_P(VulkanDevice, IsDescribed) {
  const DeviceInfo& info = device_->info();
  EXPECT_FALSE(info.name.empty());
  EXPECT_GE(info.api_version, VK_API_VERSION_1_1);
  EXPECT_GT(info.memory_bytes, 0u);
  EXPECT_GE(info.capabilities.max_workgroup, 128u);
  EXPECT_GE(info.capabilities.shared_bytes, 16u << 10);
  EXPECT_GE(info.capabilities.storage_range, uint64_t{128} << 20);
}

TEST_P(VulkanDevice, ThatIsNotThereIsAnError) {
  const auto device = Device::open(*instance_, 1000);
  ASSERT_FALSE(device);
  EXPECT_EQ(device.error().code, ErrorCode::kNotFound);
  EXPECT_NE(device.error().message.find("no device 1000"), std::string::npos) << device.error().message;
}

// Else a clean run would show nothing.
TEST_P(VulkanDevice, TheValidationLayerIsAwake) {
  if (!has_validation_) GTEST_SKIP() << "not installed";
  CommandList list = *CommandList::create(*device_, *pipelines_);
  const std::vector<uint32_t> constants = {32, 0};
  const VkPipeline pipeline = *pipelines_->get("argmax", constants);
  EXPECT_TRUE(list.dispatch(pipeline, {space(64)}, shaders::ArgmaxParameters{4, 1}, {1}));  // too few bindings
  EXPECT_TRUE(list.finish());
  EXPECT_FALSE(take_messages().empty());
}

// All memory is accounted for, and given back.
TEST_P(VulkanDevice, ArenasGiveBackWhatTheyTake) {
  const uint64_t before = device_->allocated_bytes();
  for (int i = 0; i < 200; ++i) {
    Arena arena(*device_, MemoryKind::kDevice, 3 << 20);
    const Slice a = *arena.allocate(1 << 20), b = *arena.allocate(100), c = *arena.allocate(1 << 20);
    EXPECT_EQ(arena.bytes(), uint64_t{3} << 20);
    EXPECT_EQ(device_->allocated_bytes(), before + arena.bytes());
    EXPECT_EQ(b.offset % device_->capabilities().storage_alignment, 0u);
    EXPECT_LE(a.offset + a.bytes, b.offset);
    EXPECT_LE(b.offset + b.bytes, c.offset);
    EXPECT_EQ(a.buffer, c.buffer);
  }
  EXPECT_EQ(device_->allocated_bytes(), before);
}

TEST_P(VulkanDevice, ArenasGrowByBlocks) {
  Arena arena(*device_, MemoryKind::kDevice, 1000);
  const Slice a = *arena.allocate(1000), b = *arena.allocate(5000);
  EXPECT_NE(a.buffer, b.buffer);
  EXPECT_EQ(arena.bytes(), 1024u + 5120u);
}

TEST_P(VulkanDevice, WhatOneAllocationCannotHoldIsAnError) {
  Arena arena(*device_, MemoryKind::kDevice, 0);
  const auto slice = arena.allocate(device_->capabilities().allocation_bytes + 1);
  ASSERT_FALSE(slice);
  EXPECT_EQ(slice.error().code, ErrorCode::kResourceExhausted);
  EXPECT_NE(slice.error().message.find(device_->info().name), std::string::npos) << slice.error().message;
  EXPECT_EQ(arena.bytes(), 0u);
}

TEST_P(VulkanDevice, BytesComeAndGo) {
  std::vector<uint32_t> numbers(100'003);
  std::iota(numbers.begin(), numbers.end(), 7);
  const Slice slice = put(numbers);
  EXPECT_EQ(get<uint32_t>(slice), numbers);
  EXPECT_EQ(get<uint32_t>(slice.part(4000, 8)), (std::vector<uint32_t>{1007, 1008}));
}

TEST_P(VulkanDevice, ListsAreRecordedOnceAndRunAgain) {
  const Slice x = put(std::vector<float>(16, 2)), weight = put(std::vector<float>(16, 3)),
              y = put(std::vector<float>(16));
  CommandList list = *CommandList::create(*device_, *pipelines_);
  const auto add = [&] {
    return operators_->rms_norm(list, {.x = x, .weight = weight, .y = y, .n = 16, .result = Norm::Result::kAdd});
  };
  ASSERT_TRUE(add());
  list.barrier();
  ASSERT_TRUE(add());
  ASSERT_TRUE(list.finish());
  ASSERT_TRUE(list.run());
  EXPECT_NEAR(get<float>(y)[15], 6, 1e-5);
  ASSERT_TRUE(list.run());
  EXPECT_NEAR(get<float>(y)[15], 12, 1e-5);
  ASSERT_TRUE(list.reset());
  ASSERT_TRUE(add());
  ASSERT_TRUE(list.finish());
  ASSERT_TRUE(list.run());
  EXPECT_NEAR(get<float>(y)[15], 15, 1e-5);
}

TEST_P(VulkanDevice, ABufferThatIsTooLargeForAShaderIsAnError) {
  CommandList list = *CommandList::create(*device_, *pipelines_);
  Slice large = space(64);
  large.bytes = device_->capabilities().storage_range + 1;
  const Status status = operators_->rms_norm(list, {.x = large, .weight = large, .y = large, .n = 16});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kUnsupported);
  ASSERT_TRUE(list.finish());
}

TEST_P(VulkanDevice, AnUnknownShaderIsAnError) {
  const std::vector<uint32_t> constants = {64};
  const auto pipeline = pipelines_->get("no_such", constants);
  ASSERT_FALSE(pipeline);
  EXPECT_EQ(pipeline.error().code, ErrorCode::kNotFound);
}

TEST_P(VulkanDevice, PipelinesAreKeptOnDisk) {
  const sain::testing::TemporaryFolder folder;
  const std::vector<uint32_t> constants = {64, 0};
  const std::filesystem::path file = folder.path() / "vulkan" / PipelineFile::name(device_->info());
  {
    const auto pipelines = *Pipelines::create(*device_, folder.path() / "vulkan");
    ASSERT_TRUE(pipelines->save());
    EXPECT_FALSE(std::filesystem::exists(file)) << "nothing has been compiled";
    const VkPipeline first = *pipelines->get("rms_norm", constants);
    EXPECT_EQ(*pipelines->get("rms_norm", constants), first);
    ASSERT_TRUE(pipelines->save());
  }
  const std::vector<std::byte> data = PipelineFile::read(file);
  EXPECT_FALSE(data.empty());
  {
    const auto pipelines = *Pipelines::create(*device_, folder.path() / "vulkan");
    EXPECT_TRUE(pipelines->get("rms_norm", constants));
  }
  // A file that was cut or changed counts as none.
  std::filesystem::resize_file(file, std::filesystem::file_size(file) - 1);
  EXPECT_TRUE(PipelineFile::read(file).empty());
  std::ofstream(file, std::ios::trunc) << "abc";
  EXPECT_TRUE(PipelineFile::read(file).empty());
  EXPECT_TRUE(Pipelines::create(*device_, folder.path() / "vulkan"));
  EXPECT_TRUE(PipelineFile::read(folder.path() / "absent").empty());
}

TEST_P(VulkanDevice, EveryShaderCompiles) {
  const Capabilities& can = device_->capabilities();
  for (const shaders::Spirv& shader : shaders::all_spirv()) {
    if (shader.name.ends_with("_int8") && !can.int8()) continue;
    if (shader.name.ends_with("_matrix") && !can.cooperative_matrix) continue;
    const std::string_view name = shader.name.substr(0, shader.name.find("_subgroup"));
    const std::vector<uint32_t> constants = {64};
    const auto pipeline = pipelines_->get(name, constants);
    EXPECT_TRUE(pipeline) << pipeline.error().message;
  }
}

INSTANTIATE_TEST_SUITE_P(Limits, VulkanDevice, all_limits(), limits_name);

}  // namespace
}  // namespace sain::engine::vulkan
