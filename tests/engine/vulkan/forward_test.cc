#include "engine/vulkan/forward.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <vector>

#include "engine/session.h"
#include "tests/support/random_blocks.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"
#include "tests/support/vulkan_fixture.h"

namespace sain::engine::vulkan {
namespace {

using formats::Token;
using sain::testing::all_limits;
using sain::testing::limits_name;
using sain::testing::TinyModel;

class VulkanForward : public sain::testing::VulkanTest {
 protected:
  void load(const TinyModel& tiny) {
    weights_.reset();
    auto loaded = Model::load({.path = tiny.write(folder_ / "tiny.gguf"), .packing = Packing::kMemory});
    ASSERT_TRUE(loaded) << loaded.error().message;
    model_.emplace(*std::move(loaded));
    auto placed = DeviceWeights::load(*device_, *uploader_, *model_, ModelPart::whole(model_->config()));
    ASSERT_TRUE(placed) << placed.error().message;
    weights_.emplace(*std::move(placed));
  }
  void TearDown() override {
    weights_.reset();
    VulkanTest::TearDown();
  }

  std::unique_ptr<Forward> forward(const ForwardOptions& options = {.max_length = TinyModel::kContext}) {
    auto made = Forward::create(*device_, *pipelines_, *weights_, *model_, options);
    EXPECT_TRUE(made) << made.error().message;
    return *std::move(made);
  }
  Session session(SessionOptions options = {}) {
    options.precision = Precision::kExact;
    options.kv_type = KvType::kF16;
    return *Session::create(*model_, pool_, options);
  }

  static std::vector<Token> some_tokens(size_t n) {
    std::vector<Token> tokens(n);
    for (size_t i = 0; i < n; ++i) tokens[i] = static_cast<Token>(2 + i * i % 90);
    return tokens;
  }

  /// The device's logits against the processor's, of which every rounding to f16 in the cache may differ, and to 8 bits
  /// of what decode multiplies.
  void expect_alike(std::span<const float> got, std::span<const float> expected) {
    ASSERT_EQ(got.size(), expected.size());
    float largest = 0;
    for (float logit : expected) largest = std::max(largest, std::abs(logit));
    const float tolerance = device_->capabilities().int8() ? 3e-2f : 2e-3f;
    for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected[i], tolerance * largest) << "token " << i;
  }

  /// What a device draws by itself against what the host draws from its logits.
  void expect_draws(uint32_t n, int top_k) {
    const auto device = forward(), plain = forward();
    ASSERT_TRUE(device->append(some_tokens(9)) && plain->append(some_tokens(9)));
    const float top_p = top_k > 0 ? 0.95f : 1;
    Sampler host = *Sampler::create({.top_k = top_k, .top_p = top_p, .temperature = 1, .seed = 5}, model_->tokenizer(),
                                    model_->kernels().reduce);
    std::vector<double> draws;
    for (uint32_t i = 0; i <= n; ++i) draws.push_back(host.draws().peek(i));
    ASSERT_TRUE(device->sample(*host.plain_sampling(), draws));
    std::vector<Token> tokens = *device->append_likeliest(n);
    ASSERT_EQ(tokens.size(), n);
    tokens.push_back(device->likeliest());
    for (const Token token : tokens) {
      ASSERT_EQ(host.sample(*plain->logits(), {}), token);
      ASSERT_TRUE(plain->append({&token, 1}));
    }
  }

  sain::testing::TemporaryFolder folder_;
  std::optional<Model> model_;
  std::optional<DeviceWeights> weights_;
  ThreadPool pool_{1};
};

TEST_P(VulkanForward, GivesTheLogitsOfTheProcessor) {
  for (const char* architecture : {"llama", "qwen2", "qwen3", "gemma2", "gemma3"}) {
    SCOPED_TRACE(architecture);
    load(TinyModel(architecture));
    const auto device = forward();
    Session processor = session();
    // Two batches, of which the second is one token; then a short one.
    const size_t batch = std::min<size_t>(device->batch(), 64);
    for (size_t n : {batch + 1, size_t{3}}) {
      const std::vector<Token> tokens = some_tokens(n);
      const Status appended = device->append(tokens, n == 3);  // some logits come with the pass
      ASSERT_TRUE(appended) << appended.error().message;
      expect_alike(*device->logits(), *processor.prefill(tokens));
    }
    EXPECT_EQ(device->length(), batch + 4);
    // The device goes on by itself, and the processor follows.
    const std::vector<Token> chosen = *device->append_likeliest(9);
    ASSERT_EQ(chosen.size(), 9u);
    expect_alike(*device->logits(), *processor.prefill(chosen));
    device->reset();
    processor.reset();
    ASSERT_TRUE(device->append(some_tokens(5)));
    std::span<const float> expected = *processor.prefill(some_tokens(5));
    const Token best = static_cast<Token>(std::ranges::max_element(expected) - expected.begin());
    EXPECT_EQ((*device->append_likeliest(1))[0], best);
  }
}

/// A model of twice the sizes but for the vocabulary, which suit all of a device's shaders, with matrices of `dtype`, a
/// quantized one with blocks of 32.
TinyModel wide_model(std::string_view architecture, DType dtype) {
  TinyModel wide(architecture);
  wide.set("embedding_length", 2 * TinyModel::kModel);
  wide.set("feed_forward_length", 2 * TinyModel::kFeedForward);
  wide.set("attention.key_length", 2 * TinyModel::kHeadDim);
  wide.set("attention.value_length", 2 * TinyModel::kHeadDim);
  const auto narrow = wide.tensors;
  for (const auto& [name, tensor] : narrow) {
    std::vector<uint64_t> shape = tensor.shape;
    for (uint64_t& n : shape) n = n == TinyModel::kVocab ? n : 2 * n;
    if (shape.size() == 1) {
      wide.add_norm(name, shape[0]);
    } else {
      wide.tensors[name] = {dtype, shape, sain::testing::random_blocks(dtype, shape[0] * shape[1], 7)};
    }
  }
  return wide;
}

TEST_P(VulkanForward, GivesTheLogitsOfTheProcessorInAllItsWays) {
  for (const char* architecture : {"llama", "gemma3"}) {
    SCOPED_TRACE(architecture);
    load(wide_model(architecture, DType::kQ8_0));
    const auto device = forward();
    Session processor = session();
    for (size_t n : {20u, 1u, 5u}) {
      const std::vector<Token> tokens = some_tokens(n);
      const Status appended = device->append(tokens);
      ASSERT_TRUE(appended) << appended.error().message;
      expect_alike(*device->logits(), *processor.prefill(tokens));
    }
    const std::vector<Token> chosen = *device->append_likeliest(4);
    expect_alike(*device->logits(), *processor.prefill(chosen));
  }
}

/// On devices that count their cores.
class VulkanWholeLayers : public VulkanForward {};

TEST_P(VulkanWholeLayers, GiveTheLogitsOfTheProcessor) {
  if (!device_->capabilities().int8() || !device_->capabilities().buffer_device_address) GTEST_SKIP();
  for (const auto& [architecture, dtype] : {std::pair{"qwen2", DType::kQ4_0}, std::pair{"qwen3", DType::kQ8_0}}) {
    SCOPED_TRACE(architecture);
    load(wide_model(architecture, dtype));
    const auto device = forward();
    Session processor = session();
    for (size_t n : {1u, 70u, 1u}) {
      const std::vector<Token> tokens = some_tokens(n);
      ASSERT_TRUE(device->append(tokens));
      expect_alike(*device->logits(), *processor.prefill(tokens));
    }
    const std::vector<Token> chosen = *device->append_likeliest(4);
    expect_alike(*device->logits(), *processor.prefill(chosen));
    EXPECT_TRUE(device->has_whole_layers());
    expect_draws(12, 40);
    expect_draws(12, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(OneCore, VulkanWholeLayers, ::testing::Values(Limits::kOneCore));

TEST_P(VulkanForward, ForgetsAllButSinksAndWindow) {
  load(TinyModel("llama"));
  constexpr uint32_t kSinks = 4, kContext = 40;
  const auto device = forward({.rule = {kContext - kSinks, kSinks}});
  Session processor = session({.context_length = kContext, .policy = ContextPolicy::kStream, .n_sinks = kSinks});
  for (size_t n : {30u, 50u, 1u, 100u}) {
    const std::vector<Token> tokens = some_tokens(n);
    ASSERT_TRUE(device->append(tokens));
    expect_alike(*device->logits(), *processor.prefill(tokens));
  }
  const std::vector<Token> chosen = *device->append_likeliest(20);
  expect_alike(*device->logits(), *processor.prefill(chosen));
}

TEST_P(VulkanForward, GoesAheadOfWhoeverAsks) {
  load(TinyModel("llama"));
  const auto device = forward(), plain = forward();
  const std::vector<Token> prompt = some_tokens(5);
  ASSERT_TRUE(device->append(prompt) && plain->append(prompt));
  const std::vector<Token> expected = *plain->append_likeliest(12);
  std::vector<Token> tokens;
  for (uint32_t n : {1u, 4u}) ASSERT_TRUE(device->start_likeliest(n));
  EXPECT_EQ(device->length(), 10u);
  for (uint32_t n : {3u, 4u}) {
    const std::vector<Token> next = *device->finish_likeliest();
    tokens.insert(tokens.end(), next.begin(), next.end());
    ASSERT_TRUE(device->start_likeliest(n));
  }
  EXPECT_EQ(device->n_under_way(), 7u);
  device->abandon();
  EXPECT_EQ(device->length(), 10u);
  EXPECT_EQ(tokens, std::vector<Token>(expected.begin(), expected.begin() + 5));
  ASSERT_TRUE(device->append({&expected[5], 1}));
  const std::vector<Token> rest = *device->append_likeliest(6);
  EXPECT_EQ(rest, std::vector<Token>(expected.begin() + 6, expected.end()));
}

TEST_P(VulkanForward, DrawsAsTheHostDoes) {
  for (const char* architecture : {"llama", "gemma3"}) {
    load(TinyModel(architecture));
    expect_draws(20, 40);
    expect_draws(20, 0);
  }
  load(wide_model("llama", DType::kQ8_0));
  expect_draws(20, 40);
}

TEST_P(VulkanForward, RefusesWhatDoesNotFit) {
  load(TinyModel("llama"));
  const auto device = forward({.max_length = 10});
  ASSERT_TRUE(device->append(some_tokens(8)));
  const Status status = device->append(some_tokens(3));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kResourceExhausted);
  for (Token token : {Token{-1}, static_cast<Token>(TinyModel::kVocab)}) {
    const auto unknown = device->append({&token, 1});
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().code, ErrorCode::kInvalidArgument);
  }
  EXPECT_EQ(device->length(), 8u);
  ASSERT_TRUE(device->append_likeliest(2));
  EXPECT_FALSE(device->append_likeliest(1));
}

TEST_P(VulkanForward, LoadsAndUnloadsWithoutATrace) {
  load(TinyModel("gemma3"));
  weights_.reset();
  const uint64_t before = device_->allocated_bytes();
  for (int i = 0; i < 20; ++i) {
    weights_.emplace(*DeviceWeights::load(*device_, *uploader_, *model_, ModelPart::whole(model_->config())));
    const auto device = forward();
    ASSERT_TRUE(device->append(some_tokens(3)));
    EXPECT_EQ(device_->allocated_bytes() > before + weights_->bytes(), true);
  }
  weights_.reset();
  EXPECT_EQ(device_->allocated_bytes(), before);
}

INSTANTIATE_TEST_SUITE_P(Limits, VulkanForward, all_limits(), limits_name);

}  // namespace
}  // namespace sain::engine::vulkan
