#include "engine/vulkan/accelerator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "tests/support/accelerator_fixture.h"

namespace sain::engine::vulkan {
namespace {

using formats::Token;
using sain::testing::all_limits;
using sain::testing::limits_name;
using sain::testing::some_tokens;
using sain::testing::TinyModel;

using VulkanAccelerator = sain::testing::AcceleratorTest;

TEST_P(VulkanAccelerator, AnswersAsTheProcessorDoes) {
  for (const char* architecture : {"llama", "gemma3"}) {
    load(TinyModel(architecture));
    Session device = session(*gpu_);
    Session processor = session(*cpu_, {.precision = Precision::kExact, .kv_type = KvType::kF16});
    const std::vector<Token> prompt = some_tokens(20);
    EXPECT_EQ(generate(device, prompt, {.max_tokens = 12}), generate(processor, prompt, {.max_tokens = 12}));
    // The last token is pending: the next prompt takes it along. And a sampler sees the same logits.
    const GenerateOptions sampled = {.max_tokens = 8, .sampler = {.temperature = 0.8f, .seed = 7}};
    EXPECT_EQ(generate(device, some_tokens(3), sampled), generate(processor, some_tokens(3), sampled));
    EXPECT_EQ(device.n_tokens(), processor.n_tokens());
    // Back to where both were, and on.
    device.truncate(15);
    processor.truncate(15);
    EXPECT_EQ(*device.likeliest(some_tokens(4)), *processor.likeliest(some_tokens(4)));
    EXPECT_EQ(device.n_tokens(), 19u);
  }
}

TEST_P(VulkanAccelerator, WhatItRanAheadIsForgotten) {
  Session device = session(*gpu_);
  Session processor = session(*cpu_, {.precision = Precision::kExact, .kv_type = KvType::kF16});
  // Greedy for long enough that several tokens are computed at once; then something else comes, or logits are asked
  // for.
  for (uint32_t n : {5u, 7u, 12u}) {
    EXPECT_EQ(generate(device, some_tokens(2), {.max_tokens = n}),
              generate(processor, some_tokens(2), {.max_tokens = n}));
    EXPECT_EQ(device.n_tokens(), processor.n_tokens());
    const GenerateOptions sampled = {.max_tokens = 3, .sampler = {.temperature = 0.8f, .seed = n}};
    EXPECT_EQ(generate(device, some_tokens(1), sampled), generate(processor, some_tokens(1), sampled));
  }
}

TEST_P(VulkanAccelerator, ScoresEveryToken) {
  Session device = session(*gpu_);
  Session processor = session(*cpu_, {.precision = Precision::kExact, .kv_type = KvType::kF16});
  std::vector<float> found, expected;
  const auto keep = [](std::vector<float>& into) {
    return [&into](size_t i, std::span<const float> logits) { into.push_back(logits[i]); };
  };
  // After a token that no pass has taken yet.
  EXPECT_EQ(generate(device, some_tokens(2), {.max_tokens = 1}),
            generate(processor, some_tokens(2), {.max_tokens = 1}));
  ASSERT_TRUE(device.prefill_all(some_tokens(9), keep(found)));
  ASSERT_TRUE(processor.prefill_all(some_tokens(9), keep(expected)));
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 2e-2f) << i;
}

TEST_P(VulkanAccelerator, StreamsWithoutEnd) {
  const SessionOptions stream = {.context_length = 40, .policy = ContextPolicy::kStream};
  Session device = session(*gpu_, stream);
  SessionOptions exact = stream;
  exact.precision = Precision::kExact;
  exact.kv_type = KvType::kF16;
  Session processor = session(*cpu_, exact);
  EXPECT_EQ(generate(device, some_tokens(70), {.max_tokens = 30}),
            generate(processor, some_tokens(70), {.max_tokens = 30}));
}

TEST_P(VulkanAccelerator, SessionsOfSeveralThreadsTakeTurns) {
  Session alone = session(*gpu_);
  const std::vector<Token> expected = generate(alone, some_tokens(12), {.max_tokens = 6});
  std::vector<std::vector<Token>> found(3);
  std::vector<std::jthread> threads;
  for (std::vector<Token>& tokens : found) {
    threads.emplace_back([&] {
      Session mine = session(*gpu_);
      tokens = generate(mine, some_tokens(12), {.max_tokens = 6});
    });
  }
  threads.clear();
  for (const std::vector<Token>& tokens : found) EXPECT_EQ(tokens, expected);
}

TEST_P(VulkanAccelerator, LoadsGoOnBesideAnswers) {
  Session alone = session(*gpu_);
  const std::vector<Token> expected = generate(alone, some_tokens(12), {.max_tokens = 24});
  const auto path = TinyModel("gemma3").write(folder_ / "other.gguf");
  const Model other_cpu = *Model::load({.path = path, .packing = Packing::kMemory});
  Session processor = session(other_cpu, {.precision = Precision::kExact, .kv_type = KvType::kF16});
  const std::vector<Token> other_expected = generate(processor, some_tokens(9), {.max_tokens = 6});
  std::atomic<bool> is_over = false;
  std::jthread loader([&] {
    for (int i = 0; i < 6; ++i) {
      const auto other = Model::load({.path = path, .packing = Packing::kMemory, .accelerator = accelerator_});
      ASSERT_TRUE(other) << other.error().message;
      ASSERT_NE(other->device(), nullptr);
      Session mine = session(*other);
      EXPECT_EQ(generate(mine, some_tokens(9), {.max_tokens = 6}), other_expected);
    }
    is_over = true;
  });
  do {
    Session mine = session(*gpu_);
    EXPECT_EQ(generate(mine, some_tokens(12), {.max_tokens = 24}), expected);
  } while (!is_over);
}

TEST_P(VulkanAccelerator, NoMoreIsTakenThanAllowed) {
  const uint64_t before = accelerator_->used_bytes(), bytes = accelerator_->bytes_of(cpu_->weights());
  const auto load_within = [&](uint64_t max_bytes) {
    return *Model::load({.path = folder_ / "tiny.gguf",
                         .packing = Packing::kMemory,
                         .accelerator = accelerator_,
                         .max_device_bytes = max_bytes});
  };
  const Model fits = load_within(bytes);
  ASSERT_NE(fits.device(), nullptr);
  EXPECT_LE(fits.device()->bytes(), bytes);
  EXPECT_EQ(accelerator_->used_bytes(), before + fits.device()->bytes());
  const Model too_large = load_within(bytes - 1);
  EXPECT_EQ(too_large.device(), nullptr);
  EXPECT_NE(too_large.warnings().back().find(std::to_string(bytes - 1) + " can be had; the CPU does it"),
            std::string::npos)
      << too_large.warnings().back();
}

TEST_P(VulkanAccelerator, AStoppedLoadLeavesNothing) {
  const uint64_t before = accelerator_->used_bytes();
  for (const int n_steps : {1, 5, 20}) {
    std::stop_source stop;
    std::vector<double> uploaded;
    const auto on_progress = [&](double fraction) {
      if (fraction <= 0.5) return;  // the file is read
      uploaded.push_back(fraction);
      if (static_cast<int>(uploaded.size()) == n_steps) stop.request_stop();
    };
    const auto stopped = Model::load({.path = folder_ / "tiny.gguf",
                                      .packing = Packing::kMemory,
                                      .accelerator = accelerator_,
                                      .on_progress = on_progress,
                                      .stop = stop.get_token()});
    ASSERT_FALSE(stopped);
    EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled) << stopped.error().message;
    EXPECT_EQ(static_cast<int>(uploaded.size()), n_steps);
    EXPECT_LT(uploaded.back(), 1);
    EXPECT_TRUE(std::ranges::is_sorted(uploaded));
    EXPECT_EQ(accelerator_->used_bytes(), before);
  }
}

// R19: nothing of a model or a conversation stays behind on the device.
TEST_P(VulkanAccelerator, LoadsAndUnloadsLeaveNothing) {
  const uint64_t before = accelerator_->used_bytes();
  for (int i = 0; i < 200; ++i) {
    const auto loaded = accelerator_->load(*cpu_, {});
    ASSERT_TRUE(loaded) << loaded.error().message;
    ASSERT_GT(accelerator_->used_bytes(), before);
  }
  EXPECT_EQ(accelerator_->used_bytes(), before);
}

TEST_P(VulkanAccelerator, RefusesWhatOnlyTheProcessorDoes) {
  for (const SessionOptions& options : {SessionOptions{.precision = Precision::kExact}, {.kv_type = KvType::kQ8_0}}) {
    const auto refused = Session::create(*gpu_, pool_, options);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  }
  EXPECT_EQ(session(*gpu_).hidden_state(some_tokens(5), 1)->size(), cpu_->config().d_model);
}

TEST_P(VulkanAccelerator, ThereIsNoSuchDevice) {
  const auto opened = Accelerator::open("vulkan:999");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kNotFound);
  EXPECT_NE(opened.error().message.find("999"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Limits, VulkanAccelerator, all_limits(), limits_name);

}  // namespace
}  // namespace sain::engine::vulkan
