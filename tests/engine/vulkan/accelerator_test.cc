#include "engine/vulkan/accelerator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <stop_token>
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

/// Has had enough after some tokens.
struct StoppingSink : TokenSink {
  void on_text(std::string_view) override {
    if (--n_left == 0) stop.request_stop();
  }
  int n_left = 0;
  std::stop_source stop = {};
};

class VulkanAccelerator : public sain::testing::AcceleratorTest {
 protected:
  std::unique_ptr<Backend> backend() {
    auto made = gpu_->device()->create_backend(*gpu_, {.max_length = TinyModel::kContext});
    EXPECT_TRUE(made) << made.error().message;
    return *std::move(made);
  }
  Sampler sampler(const SamplerOptions& options) {
    return *Sampler::create(options, gpu_->tokenizer(), gpu_->kernels().reduce);
  }
};

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

TEST_P(VulkanAccelerator, DrawsAsTheProcessorDoes) {
  const SamplerOptions all[] = {
      {.top_k = 40, .temperature = 0.8f, .seed = 1},
      {.top_k = 20, .top_p = 0.9f, .temperature = 0.7f, .seed = 2},
      {.top_k = 64, .top_p = 0.95f, .min_p = 0.05f, .temperature = 1.5f, .seed = 3},
      {.top_k = 1000, .temperature = 0.8f, .seed = 4},                          // more than a device takes
      {.presence_penalty = 0.5f, .top_k = 40, .temperature = 0.8f, .seed = 5},  // and it sees no penalties
  };
  for (const char* architecture : {"llama", "gemma3"}) {
    load(TinyModel(architecture));
    Session device = session(*gpu_);
    Session processor = session(*cpu_, {.precision = Precision::kExact, .kv_type = KvType::kF16});
    for (const SamplerOptions& options : all) {
      for (uint32_t n : {1u, 30u}) {
        EXPECT_EQ(generate(device, some_tokens(2), {.max_tokens = n, .sampler = options}),
                  generate(processor, some_tokens(2), {.max_tokens = n, .sampler = options}))
            << architecture << ", seed " << options.seed;
      }
      EXPECT_EQ(device.n_tokens(), processor.n_tokens());
    }
  }
}

TEST_P(VulkanAccelerator, TheSameSeedDrawsTheSame) {
  constexpr uint32_t kMany = 150;  // numbers have been told of in several rounds
  const auto answer = [&](const SamplerOptions& options) {
    Session device = session(*gpu_);
    return generate(device, some_tokens(9), {.max_tokens = kMany, .sampler = options});
  };
  const SamplerOptions options = {.top_k = 40, .temperature = 1, .seed = 11};
  const std::vector<Token> expected = answer(options);
  EXPECT_EQ(expected.size(), kMany);
  EXPECT_EQ(answer(options), expected);
  SamplerOptions other = options;
  other.seed = 12;
  EXPECT_NE(answer(other), expected);
}

TEST_P(VulkanAccelerator, WhoeverStopsItGoesOnAsIfNothingHadRunAhead) {
  Session ahead = session(*gpu_), plain = session(*gpu_);
  for (int n : {1, 4, 11, 18}) {
    GenerateOptions options = {.max_tokens = 40, .ignore_end = true, .sampler = {.top_k = 30, .temperature = 1}};
    if (n == 11) options.sampler.top_k = 0;
    options.sampler.seed = static_cast<uint64_t>(n);
    StoppingSink sink, plain_sink;
    sink.n_left = plain_sink.n_left = n;
    const auto some = ahead.generate(some_tokens(3), options, sink.stop.get_token(), sink);
    options.top_logprobs = 1;  // for which logits come here, each time
    const auto same = plain.generate(some_tokens(3), options, plain_sink.stop.get_token(), plain_sink);
    ASSERT_TRUE(some && same);
    EXPECT_EQ(some->tokens.size(), static_cast<size_t>(n));
    EXPECT_EQ(some->tokens, same->tokens);
    EXPECT_EQ(ahead.n_tokens(), plain.n_tokens());
    // Then greedily, after a prompt of one token.
    EXPECT_EQ(generate(ahead, some_tokens(1), {.max_tokens = 5}), generate(plain, some_tokens(1), {.max_tokens = 5}));
    ahead.truncate(ahead.n_tokens() - 2);
    plain.truncate(plain.n_tokens() - 2);
  }
}

TEST_P(VulkanAccelerator, DrawsAreOfWhoeverAsks) {
  const SamplerOptions options = {.top_k = 40, .temperature = 1, .seed = 21};
  const auto append = [](Backend& on, Token token) { ASSERT_TRUE(on.append({&token, 1}, {})); };
  constexpr size_t kTokens = 90;
  std::vector<Token> expected;
  std::vector<std::vector<float>> expected_logits;
  const auto plain = backend();
  ASSERT_TRUE(plain->append(some_tokens(5), {}));
  for (Sampler host = sampler(options); expected.size() < kTokens;) {
    std::vector<float>& logits = expected_logits.emplace_back();
    const auto row = plain->logits(0, 1);
    logits.assign(row->row(0), row->row(0) + row->cols);
    std::vector<float> scratch = logits;
    expected.push_back(host.sample(scratch, {}));
    append(*plain, expected.back());
  }
  const auto ahead = backend();
  ASSERT_TRUE(ahead->append(some_tokens(5), {}));
  Sampler mine = sampler(options);
  for (size_t i = 0; i < kTokens; ++i) {
    SCOPED_TRACE(i);
    if (i == 12 || i == 17 || i == 80) {  // another one asks, and the numbers of this one stay its own
      const SamplerOptions others = {.top_k = i == 12 ? 0 : 40, .temperature = 1, .seed = i};
      Sampler other = sampler(others), host = sampler(others);
      std::vector<float> scratch = expected_logits[i];
      EXPECT_EQ(*ahead->sample(other), host.sample(scratch, {}));
      EXPECT_FALSE(ahead->likeliest()) << "a drawn one is not it";
    }
    if (i == 25 || i == 81) {
      const auto row = ahead->logits(0, 1);
      for (size_t t = 0; t < row->cols; ++t) ASSERT_NEAR(row->row(0)[t], expected_logits[i][t], 1e-4f);
    }
    if (i >= 30 && i < 60) {  // tokens that are appended unasked
      (void)mine.draws().take();
    } else {
      const auto token = ahead->sample(mine);
      ASSERT_TRUE(token && *token);
      ASSERT_EQ(**token, expected[i]);
    }
    EXPECT_EQ(ahead->length(), 5 + i);
    append(*ahead, expected[i]);
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
  for (const float temperature : {0.0f, 0.8f}) {
    const GenerateOptions options = {.max_tokens = 30, .sampler = {.top_k = 40, .temperature = temperature}};
    EXPECT_EQ(generate(device, some_tokens(70), options), generate(processor, some_tokens(70), options));
  }
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
  const Model partly = load_within(bytes - 1);
  ASSERT_NE(partly.device(), nullptr);
  EXPECT_LT(partly.device()->bytes(), fits.device()->bytes());
  const Model too_large = load_within(1000);
  EXPECT_EQ(too_large.device(), nullptr);
  ASSERT_FALSE(too_large.warnings().empty());
  EXPECT_NE(too_large.warnings().back().find("1000 can be had; the CPU does it"), std::string::npos)
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
