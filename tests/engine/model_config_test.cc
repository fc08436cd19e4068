#include "engine/model_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "tests/support/tiny_model.h"

namespace sain::engine {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TinyModel;

Result<ModelConfig> read(const TinyModel& model) {
  const std::string bytes = model.bytes();
  auto file = formats::GgufFile::parse(std::as_bytes(std::span(bytes)), "tiny.gguf");
  if (!file) return std::move(file).error();
  return ModelConfig::from_metadata(file->metadata());
}

ModelConfig config_of(const TinyModel& model) {
  auto config = read(model);
  EXPECT_TRUE(config) << config.error().message;
  return config ? *config : ModelConfig{};
}

TEST(ModelConfigTest, ReadsDimensions) {
  const ModelConfig config = config_of(TinyModel());
  EXPECT_EQ(config.architecture, Architecture::kLlama);
  EXPECT_EQ(config.name, "Tiny");
  EXPECT_EQ(config.n_layers, 2u);
  EXPECT_EQ(config.d_model, 32u);
  EXPECT_EQ(config.d_ff, 48u);
  EXPECT_EQ(config.n_heads, 4u);
  EXPECT_EQ(config.n_kv_heads, 2u);
  EXPECT_EQ(config.head_dim, 8u);
  EXPECT_EQ(config.q_dim(), 32u);
  EXPECT_EQ(config.kv_dim(), 16u);
  EXPECT_EQ(config.vocab_size, 96u);
  EXPECT_EQ(config.context_length, 320u);
  EXPECT_EQ(config.rms_epsilon, 1e-5f);
  EXPECT_EQ(config.activation, Activation::kSilu);
  EXPECT_EQ(config.embedding_scale, 1);
  EXPECT_FLOAT_EQ(config.attention_scale, 1 / std::sqrt(8.0f));
  EXPECT_EQ(config.attention_soft_cap, 0);
  EXPECT_EQ(config.logit_soft_cap, 0);
  EXPECT_EQ(config.sliding_window, 0u);
  EXPECT_THAT(config.is_local, ElementsAre(false, false));
  EXPECT_EQ(config.rope.layout, RopeLayout::kAdjacent);
  EXPECT_EQ(config.rope.rotary_dim, 8u);
  EXPECT_EQ(config.rope.base, 10000);
  EXPECT_EQ(config.rope.scaling, RopeConfig::Scaling::kNone);
}

TEST(ModelConfigTest, WhatIsAbsentHasTheFormatsDefault) {
  TinyModel model;
  model.metadata.remove("general.name");
  for (const char* key : {"attention.head_count_kv", "attention.key_length", "attention.value_length",
                          "attention.layer_norm_rms_epsilon", "rope.freq_base"}) {
    model.remove(key);
  }
  model.set("embedding_length", uint32_t{64});
  const ModelConfig config = config_of(model);
  EXPECT_EQ(config.name, "");
  EXPECT_EQ(config.n_kv_heads, 4u);  // as many as heads
  EXPECT_EQ(config.head_dim, 16u);   // d_model / n_heads
  EXPECT_EQ(config.rope.rotary_dim, 16u);
  EXPECT_EQ(config.rope.base, 10000);
  EXPECT_EQ(config.rms_epsilon, 1e-5f);
}

TEST(ModelConfigTest, VocabularyIsTheTokenizersOrTheKeys) {
  TinyModel model;
  model.set("vocab_size", uint32_t{1000});
  EXPECT_EQ(config_of(model).vocab_size, 96u);
  model.metadata.remove("tokenizer.ggml.tokens");
  EXPECT_EQ(config_of(model).vocab_size, 1000u);
}

TEST(ModelConfigTest, QwensRotateHalves) {
  EXPECT_EQ(config_of(TinyModel("qwen2")).rope.layout, RopeLayout::kHalves);
  EXPECT_EQ(config_of(TinyModel("qwen3")).rope.layout, RopeLayout::kHalves);
  EXPECT_EQ(config_of(TinyModel("qwen3")).activation, Activation::kSilu);
}

TEST(ModelConfigTest, Gemma2) {
  TinyModel model("gemma2");
  model.remove("attention.sliding_window");
  model.set("block_count", uint32_t{4});
  ModelConfig config = config_of(model);
  EXPECT_EQ(config.activation, Activation::kGelu);
  EXPECT_EQ(config.rope.layout, RopeLayout::kHalves);
  EXPECT_FLOAT_EQ(config.embedding_scale, std::sqrt(32.0f));
  EXPECT_EQ(config.attention_soft_cap, 50);
  EXPECT_EQ(config.logit_soft_cap, 30);
  EXPECT_EQ(config.sliding_window, 4096u);
  EXPECT_THAT(config.is_local, ElementsAre(true, false, true, false));
  EXPECT_EQ(config.rope.local_base, config.rope.base);
  EXPECT_FLOAT_EQ(config.attention_scale, 1 / std::sqrt(8.0f));

  model.set("attn_logit_softcapping", 0.0f);
  model.set("final_logit_softcapping", 7.0f);
  model.set("attention.sliding_window", uint32_t{16});
  model.set("attention.key_length", uint32_t{4});
  model.set("attention.value_length", uint32_t{4});
  model.set("block_count", uint32_t{46});  // the 27B
  config = config_of(model);
  EXPECT_EQ(config.attention_soft_cap, 0);
  EXPECT_EQ(config.logit_soft_cap, 7);
  EXPECT_EQ(config.sliding_window, 16u);
  EXPECT_FLOAT_EQ(config.attention_scale, 1 / std::sqrt(8.0f));  // d_model / n_heads, not head_dim
}

TEST(ModelConfigTest, Gemma3) {
  TinyModel model("gemma3");
  model.set("block_count", uint32_t{7});
  model.remove("attention.sliding_window");
  EXPECT_THAT(config_of(model).is_local, ElementsAre(false, false, false, false, false, false, false));

  model.set("attention.sliding_window", uint32_t{16});
  model.set("rope.freq_base", 1e6f);
  ModelConfig config = config_of(model);
  EXPECT_THAT(config.is_local, ElementsAre(true, true, true, true, true, false, true));
  EXPECT_EQ(config.attention_soft_cap, 0);
  EXPECT_EQ(config.logit_soft_cap, 0);
  EXPECT_EQ(config.rope.base, 1e6f);
  EXPECT_EQ(config.rope.local_base, 10000);

  model.set("rope.freq_base_swa", 5000.0f);
  model.set("attention.sliding_window_pattern", uint32_t{3});
  config = config_of(model);
  EXPECT_THAT(config.is_local, ElementsAre(true, true, false, true, true, false, true));
  EXPECT_EQ(config.rope.local_base, 5000);

  model.set("attention.sliding_window_pattern", uint32_t{0});
  EXPECT_THAT(config_of(model).is_local, Each(true));
  model.set("attention.sliding_window_pattern", std::vector<bool>{true, false, false, true, true, false, false});
  EXPECT_THAT(config_of(model).is_local, ElementsAre(true, false, false, true, true, false, false));
}

TEST(ModelConfigTest, LlamasWindowIsInEveryLayer) {
  TinyModel model;
  model.set("attention.sliding_window", uint32_t{16});
  model.set("rope.freq_base", 5000.0f);
  const ModelConfig config = config_of(model);
  EXPECT_EQ(config.sliding_window, 16u);
  EXPECT_THAT(config.is_local, ElementsAre(true, true));
  EXPECT_EQ(config.rope.local_base, 5000);
}

TEST(ModelConfigTest, RopeScalings) {
  TinyModel model;
  model.set("rope.scaling.type", "none");
  model.set("rope.scaling.factor", 4.0f);
  EXPECT_EQ(config_of(model).rope.scaling, RopeConfig::Scaling::kNone);
  EXPECT_EQ(config_of(model).rope.factor, 1);

  model.set("rope.scaling.type", "linear");
  EXPECT_EQ(config_of(model).rope.scaling, RopeConfig::Scaling::kLinear);
  EXPECT_EQ(config_of(model).rope.factor, 4);

  model.set("rope.scaling.type", "yarn");
  EXPECT_EQ(config_of(model).rope.original_context, 320u);
  model.set("rope.scaling.original_context_length", uint32_t{80});
  model.set("rope.scaling.attn_factor", 0.5f);
  model.set("rope.scaling.yarn_ext_factor", 0.25f);
  model.set("rope.scaling.yarn_beta_fast", 16.0f);
  model.set("rope.scaling.yarn_beta_slow", 2.0f);
  const RopeConfig rope = config_of(model).rope;
  EXPECT_EQ(rope.scaling, RopeConfig::Scaling::kYarn);
  EXPECT_EQ(rope.factor, 4);
  EXPECT_EQ(rope.original_context, 80u);
  EXPECT_EQ(rope.attention_factor, 0.5f);
  EXPECT_EQ(rope.yarn_extrapolation, 0.25f);
  EXPECT_EQ(rope.yarn_beta_fast, 16);
  EXPECT_EQ(rope.yarn_beta_slow, 2);
}

TEST(ModelConfigTest, AFactorWithoutATypeIsLinear) {
  for (const char* key : {"rope.scaling.factor", "rope.scale_linear"}) {
    TinyModel model;
    model.set(key, 2.0f);
    EXPECT_EQ(config_of(model).rope.scaling, RopeConfig::Scaling::kLinear) << key;
    EXPECT_EQ(config_of(model).rope.factor, 2) << key;
  }
}

/// A change that makes the metadata wrong, and what the error must say.
struct Fault {
  const char* name;
  std::function<void(TinyModel&)> change;
  ErrorCode code;
  std::vector<const char*> message_has;
  const char* architecture = "llama";
};

template <class T>
Fault wrong(const char* key, T value, const char* expected, const char* found, ErrorCode code = ErrorCode::kCorrupt,
            const char* architecture = "llama") {
  return {key, [=](TinyModel& model) { model.set(key, value); }, code, {key, expected, found}, architecture};
}

Fault missing(const char* key) {
  return {key, [=](TinyModel& model) { model.remove(key); }, ErrorCode::kNotFound, {key, "missing"}};
}

class ModelConfigFaults : public ::testing::TestWithParam<Fault> {};

TEST_P(ModelConfigFaults, AreRefusedNamingFileKeyAndValue) {
  TinyModel model(GetParam().architecture);
  ASSERT_TRUE(read(model));
  GetParam().change(model);
  const auto config = read(model);
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code, GetParam().code) << config.error().message;
  EXPECT_THAT(config.error().message, HasSubstr("tiny.gguf"));
  for (const char* part : GetParam().message_has) EXPECT_THAT(config.error().message, HasSubstr(part));
}

std::string fault_name(const ::testing::TestParamInfo<Fault>& info) {
  std::string name = std::to_string(info.index) + "_" + info.param.name;
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
}

constexpr uint32_t kZero = 0;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

INSTANTIATE_TEST_SUITE_P(
    All, ModelConfigFaults,
    ::testing::Values(
        Fault{"no architecture", [](TinyModel& m) { m.metadata.remove("general.architecture"); }, ErrorCode::kNotFound,
              {"general.architecture"}},
        Fault{"architecture of a wrong type", [](TinyModel& m) { m.metadata.set("general.architecture", 7u); },
              ErrorCode::kCorrupt, {"general.architecture", "string", "7"}},
        Fault{"unknown architecture", [](TinyModel& m) { m.metadata.set("general.architecture", "mamba"); },
              ErrorCode::kUnsupported, {"general.architecture", "llama, qwen2, qwen3, gemma2, gemma3", "mamba"}},
        Fault{"name of a wrong type", [](TinyModel& m) { m.metadata.set("general.name", 7u); }, ErrorCode::kCorrupt,
              {"general.name", "string", "7"}},
        missing("block_count"), missing("embedding_length"), missing("feed_forward_length"), missing("context_length"),
        missing("attention.head_count"), wrong("block_count", kZero, "1 to 1024", "found 0"),
        wrong("block_count", 1025u, "1 to 1024", "found 1025"), wrong("block_count", -1, "u32", "-1"),
        wrong("block_count", "two", "u32", "two"), wrong("embedding_length", kZero, "1 to 1048576", "found 0"),
        wrong("embedding_length", 1048577u, "1 to 1048576", "found 1048577"),
        wrong("feed_forward_length", kZero, "1 to 1048576", "found 0"),
        wrong("feed_forward_length", std::vector<uint32_t>{48, 48}, "u32", "48"),
        wrong("context_length", kZero, "1 to 268435456", "found 0"),
        wrong("context_length", 0xffffffffu, "1 to 268435456", "found 4294967295"),
        wrong("attention.head_count", kZero, "1 to 1048576", "found 0"),
        wrong("attention.head_count_kv", kZero, "1 to 1048576", "found 0"),
        wrong("attention.head_count_kv", 3u, "divisor of the 4 heads", "found 3"),
        wrong("attention.head_count_kv", 8u, "divisor of the 4 heads", "found 8"),
        wrong("attention.key_length", kZero, "1 to 16384", "found 0"),
        wrong("attention.key_length", 16385u, "1 to 16384", "found 16385"),
        wrong("attention.value_length", 16u, "key length 8", "found 16", ErrorCode::kUnsupported),
        Fault{"too many heads",
              [](TinyModel& m) {
                m.set("attention.head_count", 1048576u);
                m.set("attention.key_length", 16u);
                m.set("attention.value_length", 16u);
              },
              ErrorCode::kCorrupt, {"attention.head_count", "1048576 heads of 16"}},
        Fault{"no vocabulary", [](TinyModel& m) { m.metadata.remove("tokenizer.ggml.tokens"); }, ErrorCode::kNotFound,
              {"vocab_size"}},
        Fault{"a vocabulary of zero",
              [](TinyModel& m) {
                m.metadata.remove("tokenizer.ggml.tokens");
                m.set("vocab_size", kZero);
              },
              ErrorCode::kCorrupt, {"vocab_size", "1 to 16777216", "found 0"}},
        wrong("expert_count", 8u, "no experts", "found 8", ErrorCode::kUnsupported),
        wrong("attention.layer_norm_rms_epsilon", -1e-5f, "at least 0", "-1e-05"),
        wrong("attention.layer_norm_rms_epsilon", kNan, "finite f32", "nan"),
        wrong("rope.dimension_count", kZero, "1 to 16384", "found 0"),
        wrong("rope.dimension_count", 7u, "even number of at most 8", "found 7"),
        wrong("rope.dimension_count", 10u, "even number of at most 8", "found 10"),
        Fault{"an odd head",
              [](TinyModel& m) {
                m.set("attention.key_length", 7u);
                m.set("attention.value_length", 7u);
              },
              ErrorCode::kCorrupt, {"rope.dimension_count", "even", "found 7"}},
        wrong("rope.freq_base", 0.0f, "positive", "found 0"), wrong("rope.freq_base", -1.0f, "positive", "found -1"),
        wrong("rope.freq_base", kNan, "finite f32", "nan"),
        wrong("rope.freq_base_swa", 0.0f, "positive", "found 0"),
        wrong("rope.freq_base_swa", "big", "finite f32", "big"),
        wrong("rope.scaling.type", "longrope", "none, linear or yarn", "longrope", ErrorCode::kUnsupported),
        wrong("rope.scaling.type", 1u, "string", "1"), wrong("rope.scaling.factor", 0.0f, "positive", "found 0"),
        wrong("rope.scale_linear", -2.0f, "positive", "found -2"),
        wrong("rope.scaling.original_context_length", kZero, "1 to 268435456", "found 0"),
        Fault{"yarn's attention factor",
              [](TinyModel& m) {
                m.set("rope.scaling.type", "yarn");
                m.set("rope.scaling.attn_factor", 0.0f);
              },
              ErrorCode::kCorrupt, {"rope.scaling.attn_factor", "positive", "found 0"}},
        Fault{"yarn's extrapolation",
              [](TinyModel& m) {
                m.set("rope.scaling.type", "yarn");
                m.set("rope.scaling.yarn_ext_factor", -1.0f);
              },
              ErrorCode::kCorrupt, {"rope.scaling.yarn_ext_factor", "at least 0", "found -1"}},
        Fault{"yarn's fast beta",
              [](TinyModel& m) {
                m.set("rope.scaling.type", "yarn");
                m.set("rope.scaling.yarn_beta_fast", -1.0f);
              },
              ErrorCode::kCorrupt, {"rope.scaling.yarn_beta_fast", "positive", "found -1"}},
        Fault{"yarn's slow beta",
              [](TinyModel& m) {
                m.set("rope.scaling.type", "yarn");
                m.set("rope.scaling.yarn_beta_slow", 0.0f);
              },
              ErrorCode::kCorrupt, {"rope.scaling.yarn_beta_slow", "positive", "found 0"}},
        wrong("attention.sliding_window", -1, "u32", "-1"),
        wrong("attn_logit_softcapping", -1.0f, "at least 0", "found -1", ErrorCode::kCorrupt, "gemma2"),
        wrong("final_logit_softcapping", -1.0f, "at least 0", "found -1", ErrorCode::kCorrupt, "gemma3"),
        wrong("attention.sliding_window", "wide", "u32", "wide", ErrorCode::kCorrupt, "gemma3"),
        wrong("attention.sliding_window_pattern", "6", "u32", "6", ErrorCode::kCorrupt, "gemma3"),
        wrong("attention.sliding_window_pattern", std::vector<bool>{true}, "2 layers", "found 1", ErrorCode::kCorrupt,
              "gemma3")),
    fault_name);

}  // namespace
}  // namespace sain::engine
