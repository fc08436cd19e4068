#include "engine/vulkan/split.h"

#include <gtest/gtest.h>

#include <stop_token>
#include <vector>

#include "engine/vulkan/split_plan.h"
#include "tests/support/accelerator_fixture.h"

namespace sain::engine::vulkan {
namespace {

using sain::testing::all_limits;
using sain::testing::limits_name;
using sain::testing::some_tokens;
using sain::testing::TinyModel;

const SessionOptions kExact = {.precision = Precision::kExact, .kv_type = KvType::kF16};

/// A model in parts beside the same one on the CPU.
class VulkanSplit : public sain::testing::AcceleratorTest {
 protected:
  struct Way {
    const char* name;
    std::vector<size_t> devices;
    uint32_t most_layers;
    const char* architecture = "llama";
  };
  // Devices are the same one several times.
  const std::vector<Way> ways_ = {{"two devices", {0, 0}, UINT32_MAX},
                                  {"partly on the CPU", {0}, 1},
                                  {"partly on the CPU, with windows", {0}, 1, "gemma3"},
                                  {"two devices, with windows", {0, 0}, UINT32_MAX, "gemma3"},
                                  {"more devices than layers", {0, 0, 0}, UINT32_MAX, "qwen3"}};

  template <class F>
  void for_each_way(F&& f) {
    for (const Way& way : ways_) {
      SCOPED_TRACE(way.name);
      open(way.devices, {.most_layers = way.most_layers});
      load(TinyModel(way.architecture));
      f();
    }
  }
};

// R69
TEST_P(VulkanSplit, AnswersAsTheProcessorDoes) {
  for_each_way([&] {
    Session device = session(*gpu_);
    Session processor = session(*cpu_, kExact);
    for (const size_t n : {1, 200, 2}) {  // several batches under way at once
      EXPECT_EQ(generate(device, some_tokens(n), {.max_tokens = 9}),
                generate(processor, some_tokens(n), {.max_tokens = 9}));
      EXPECT_EQ(device.n_tokens(), processor.n_tokens());
    }
    const GenerateOptions sampled = {.max_tokens = 8, .sampler = {.temperature = 0.8f, .seed = 7}};
    EXPECT_EQ(generate(device, some_tokens(3), sampled), generate(processor, some_tokens(3), sampled));
    device.truncate(214);
    processor.truncate(214);
    ASSERT_EQ(device.n_tokens(), processor.n_tokens());
    EXPECT_EQ(*device.likeliest(some_tokens(4)), *processor.likeliest(some_tokens(4)));
  });
}

TEST_P(VulkanSplit, StreamsWithoutEnd) {
  for_each_way([&] {
    SessionOptions stream = {.context_length = 40, .policy = ContextPolicy::kStream};
    Session device = session(*gpu_, stream);
    stream.precision = Precision::kExact;
    stream.kv_type = KvType::kF16;
    Session processor = session(*cpu_, stream);
    EXPECT_EQ(generate(device, some_tokens(170), {.max_tokens = 20}),
              generate(processor, some_tokens(170), {.max_tokens = 20}));
  });
}

TEST_P(VulkanSplit, WhatIsStoppedIsTakenBack) {
  for_each_way([&] {
    Session device = session(*gpu_);
    ASSERT_TRUE(device.prefill(some_tokens(20)));
    std::stop_source stop;
    stop.request_stop();
    const auto stopped = device.prefill(some_tokens(150), stop.get_token());
    ASSERT_FALSE(stopped);
    EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
    EXPECT_EQ(device.n_tokens(), 20u);
    Session processor = session(*cpu_, kExact);
    ASSERT_TRUE(processor.prefill(some_tokens(20)));
    EXPECT_EQ(generate(device, some_tokens(3), {.max_tokens = 5}),
              generate(processor, some_tokens(3), {.max_tokens = 5}));
  });
}

TEST_P(VulkanSplit, WhatThereIsNoRoomForIsComputedOnTheProcessor) {
  const SplitNeeds needs = split_needs(*cpu_, cpu_->config().context_length);
  open({0}, {}, needs.stage + needs.output + needs.layers[1]);
  load(TinyModel("llama"));
  EXPECT_LT(gpu_->device()->bytes(), split_needs(*cpu_, 0).stage + needs.output + needs.layers[1]);
  gpu_.reset();  // there is room for one
  load(TinyModel("llama"));
  ASSERT_EQ(warnings_.size(), 1u) << "once, however often it is loaded";
  EXPECT_TRUE(warnings_[0].starts_with("tiny.gguf: ")) << warnings_[0];
  EXPECT_TRUE(warnings_[0].ends_with(" computes 1 of the 2 layers, the CPU the others")) << warnings_[0];
  Session device = session(*gpu_);
  Session processor = session(*cpu_, kExact);
  EXPECT_EQ(generate(device, some_tokens(30), {.max_tokens = 9}),
            generate(processor, some_tokens(30), {.max_tokens = 9}));

  open({0}, {}, 1000);
  const auto path = TinyModel("llama").write(folder_ / "tiny.gguf");
  gpu_.emplace(*Model::load({.path = path, .packing = Packing::kMemory, .accelerator = accelerator_}));
  EXPECT_EQ(gpu_->device(), nullptr);
  ASSERT_FALSE(gpu_->warnings().empty());
  EXPECT_NE(gpu_->warnings().back().find("1000 can be had"), std::string::npos) << gpu_->warnings().back();
}

INSTANTIATE_TEST_SUITE_P(Limits, VulkanSplit, all_limits(), limits_name);

struct Expected {
  size_t device;
  uint32_t begin, end;
  bool takes_tokens, gives_logits;
  bool operator==(const Expected&) const = default;
};

std::vector<Expected> plan(const SplitNeeds& needs, const std::vector<uint64_t>& free_bytes, uint32_t most = 99) {
  std::vector<Expected> parts;
  for (const SplitPart& p : plan_split(needs, free_bytes, most)) {
    parts.push_back({p.device, p.part.begin, p.part.end, p.part.takes_tokens, p.part.gives_logits});
  }
  return parts;
}

TEST(SplitPlan, DividesWhatThereIsRoomFor) {
  using Parts = std::vector<Expected>;
  const SplitNeeds needs = {.embedding = 20, .layers = {10, 10, 10, 10}, .output = 20, .stage = 5};
  EXPECT_EQ(plan(needs, {85}), (Parts{{0, 0, 4, true, true}}));
  EXPECT_EQ(plan(needs, {84}), (Parts{{0, 0, 4, false, true}}));
  EXPECT_EQ(plan(needs, {64}), (Parts{{0, 1, 4, false, true}}));
  EXPECT_EQ(plan(needs, {35}), (Parts{{0, 3, 4, false, true}}));
  EXPECT_EQ(plan(needs, {34}), Parts());
  EXPECT_EQ(plan(needs, {}), Parts());
  EXPECT_EQ(plan(needs, {85}, 3), (Parts{{0, 1, 4, false, true}}));
  EXPECT_EQ(plan(needs, {85}, 0), Parts());
  // Evenly, with the embedding and the output; a device that holds next to nothing is left out.
  EXPECT_EQ(plan(needs, {85, 85}), (Parts{{0, 0, 2, true, false}, {1, 2, 4, false, true}}));
  EXPECT_EQ(plan(needs, {85, 10}), (Parts{{0, 0, 4, true, true}}));
  EXPECT_EQ(plan(needs, {10, 85}), (Parts{{1, 0, 4, true, true}}));
  // As much as there is, where even shares would be too large.
  EXPECT_EQ(plan(needs, {45, 45}), (Parts{{0, 0, 2, true, false}, {1, 2, 4, false, true}}));
  EXPECT_EQ(plan(needs, {35, 45}), (Parts{{0, 0, 3, false, false}, {1, 3, 4, false, true}}));
  EXPECT_EQ(plan(needs, {35, 35}), (Parts{{0, 0, 3, false, false}, {1, 3, 4, false, true}}));
  // The output is the embedding: a device with both has it once, two have one each.
  SplitNeeds tied = needs;
  tied.is_tied = true;
  EXPECT_EQ(plan(tied, {65}), (Parts{{0, 0, 4, true, true}}));
  EXPECT_EQ(plan(tied, {45, 45}), (Parts{{0, 0, 2, true, false}, {1, 2, 4, false, true}}));
  EXPECT_EQ(plan(tied, {44, 45}), (Parts{{0, 0, 3, false, false}, {1, 3, 4, false, true}}));
  // More devices than layers.
  const SplitNeeds one = {.layers = {10}, .output = 20};
  EXPECT_EQ(plan(one, {99, 99, 99}), (Parts{{2, 0, 1, true, true}}));
}

}  // namespace
}  // namespace sain::engine::vulkan
