#include "engine/weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <optional>

#include "tests/support/tiny_model.h"

namespace sain::engine {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using testing::TinyModel;

/// The weights of a model in memory; what they point into lives as long as this.
class Loaded {
 public:
  explicit Loaded(const TinyModel& model) : bytes_(model.bytes()) {
    auto file = formats::GgufFile::parse(std::as_bytes(std::span(bytes_)), "tiny.gguf");
    EXPECT_TRUE(file) << file.error().message;
    file_.emplace(*std::move(file));
    const auto config = ModelConfig::from_metadata(file_->metadata());
    EXPECT_TRUE(config) << config.error().message;
    weights.emplace(Weights::from_file(*file_, *config));
  }

 private:
  std::string bytes_;
  std::optional<formats::GgufFile> file_;

 public:
  std::optional<Result<Weights>> weights;
};

void expect_error(const TinyModel& model, ErrorCode code, const std::string& tensor,
                  const std::vector<std::string>& message_has) {
  const Loaded loaded(model);
  ASSERT_FALSE(*loaded.weights) << tensor;
  const Error& error = loaded.weights->error();
  EXPECT_EQ(error.code, code) << error.message;
  EXPECT_THAT(error.message, AllOf(HasSubstr("tiny.gguf"), HasSubstr(tensor)));
  for (const std::string& part : message_has) EXPECT_THAT(error.message, HasSubstr(part));
}

TEST(WeightsTest, FindsEveryTensor) {
  TinyModel model;
  const Loaded loaded(model);
  ASSERT_TRUE(*loaded.weights) << loaded.weights->error().message;
  const Weights& weights = **loaded.weights;
  ASSERT_THAT(weights.layers, SizeIs(2));
  EXPECT_EQ(weights.token_embedding.rows, 96u);
  EXPECT_EQ(weights.token_embedding.cols, 32u);
  EXPECT_EQ(weights.token_embedding.dtype, DType::kF32);
  EXPECT_NE(weights.output.data, weights.token_embedding.data);
  for (const LayerWeights& layer : weights.layers) {
    EXPECT_THAT(layer.attention_norm, SizeIs(32));
    EXPECT_EQ(layer.k.rows, 16u);
    EXPECT_EQ(layer.k.cols, 32u);
    EXPECT_EQ(layer.down.rows, 32u);
    EXPECT_EQ(layer.down.cols, 48u);
    EXPECT_TRUE(layer.q_bias.empty() && layer.q_norm.empty() && layer.post_ffn_norm.empty() && layer.up_bias.empty());
  }
  EXPECT_TRUE(weights.rope_factors.empty());

  // The values are the file's, and a row is where row() says.
  EXPECT_EQ(weights.layers[1].ffn_norm[5], model.at("blk.1.ffn_norm.weight", 5));
  float element;
  std::memcpy(&element, weights.layers[1].gate.row(3) + 7 * sizeof(float), sizeof(float));
  EXPECT_EQ(element, model.at("blk.1.ffn_gate.weight", 3 * 32 + 7));

  size_t bytes = 0;
  for (const auto& [name, tensor] : model.tensors) bytes += tensor.data.size();
  EXPECT_EQ(weights.bytes, bytes);
}

TEST(WeightsTest, OutputIsTheEmbeddingWhereItIsMissing) {
  TinyModel model;
  model.tensors.erase("output.weight");
  const Loaded loaded(model);
  ASSERT_TRUE(*loaded.weights) << loaded.weights->error().message;
  EXPECT_EQ((*loaded.weights)->output.data, (*loaded.weights)->token_embedding.data);
}

TEST(WeightsTest, OptionalTensorsAreRead) {
  TinyModel model;
  const std::vector<std::pair<std::string, uint64_t>> optional = {
      {"attn_q.bias", 32},      {"attn_k.bias", 16},       {"attn_v.bias", 16},
      {"attn_output.bias", 32}, {"attn_q_norm.weight", 8}, {"attn_k_norm.weight", 8},
      {"ffn_gate.bias", 48},    {"ffn_up.bias", 48},       {"ffn_down.bias", 32},
  };
  for (const auto& [name, n] : optional) model.add_norm("blk.1." + name, n);
  model.put("rope_freqs.weight", {4}, {1, 2, 4, 8});
  const Loaded loaded(model);
  ASSERT_TRUE(*loaded.weights) << loaded.weights->error().message;
  const LayerWeights& layer = (*loaded.weights)->layers[1];
  EXPECT_THAT(layer.q_bias, SizeIs(32));
  EXPECT_THAT(layer.k_bias, SizeIs(16));
  EXPECT_THAT(layer.v_bias, SizeIs(16));
  EXPECT_THAT(layer.attention_output_bias, SizeIs(32));
  EXPECT_THAT(layer.q_norm, SizeIs(8));
  EXPECT_THAT(layer.k_norm, SizeIs(8));
  EXPECT_THAT(layer.gate_bias, SizeIs(48));
  EXPECT_THAT(layer.up_bias, SizeIs(48));
  EXPECT_THAT(layer.down_bias, SizeIs(32));
  EXPECT_THAT((*loaded.weights)->rope_factors, ::testing::ElementsAre(1, 2, 4, 8));
  EXPECT_TRUE((*loaded.weights)->layers[0].q_bias.empty());
}

TEST(WeightsTest, EveryRequiredTensorIsMissed) {
  for (const char* architecture : {"llama", "qwen2", "qwen3", "gemma2", "gemma3"}) {
    const TinyModel whole(architecture);
    ASSERT_TRUE(*Loaded(whole).weights) << architecture;
    for (const auto& [name, tensor] : whole.tensors) {
      if (name == "output.weight") continue;
      TinyModel model = whole;
      model.tensors.erase(name);
      expect_error(model, ErrorCode::kNotFound, name, {"missing"});
    }
  }
}

TEST(WeightsTest, EveryWrongShapeIsRefused) {
  const TinyModel whole("gemma3");
  for (const auto& [name, tensor] : whole.tensors) {
    TinyModel longer_rows = whole, more_rows = whole, three_dims = whole;
    auto& row = longer_rows.tensors[name];
    const size_t n_rows = row.shape.size() > 1 ? row.shape[1] : 1;
    row.shape[0] += 1;
    row.data.resize(row.data.size() + n_rows * sizeof(float));
    expect_error(longer_rows, ErrorCode::kCorrupt, name, {"expected shape [", std::to_string(row.shape[0])});

    auto& rows = more_rows.tensors[name];
    rows.shape.resize(2, 1);
    rows.shape[1] += 1;
    rows.data.resize(rows.data.size() + rows.shape[0] * sizeof(float));
    expect_error(more_rows, ErrorCode::kCorrupt, name, {"expected shape [", std::to_string(rows.shape[1])});

    auto& dims = three_dims.tensors[name];
    dims.shape.resize(2, 1);
    dims.shape.push_back(2);
    dims.data.resize(dims.data.size() * 2);
    expect_error(three_dims, ErrorCode::kCorrupt, name, {"expected shape [", ", 2, 1]"});
  }
}

TEST(WeightsTest, TransposedMatrixIsRefused) {
  TinyModel model;
  std::swap(model.tensors["blk.0.ffn_up.weight"].shape[0], model.tensors["blk.0.ffn_up.weight"].shape[1]);
  expect_error(model, ErrorCode::kCorrupt, "blk.0.ffn_up.weight", {"expected shape [32, 48]", "found [48, 32, 1, 1]"});
}

TEST(WeightsTest, QuantizedMatricesAreTakenAndVectorsAreNot) {
  TinyModel model;
  auto& matrix = model.tensors["blk.0.attn_q.weight"];
  matrix.dtype = DType::kQ8_0;
  matrix.data.resize(32 * row_bytes(DType::kQ8_0, 32));
  const Loaded loaded(model);
  ASSERT_TRUE(*loaded.weights) << loaded.weights->error().message;
  EXPECT_EQ((*loaded.weights)->layers[0].q.dtype, DType::kQ8_0);

  auto& vector = model.tensors["blk.1.attn_norm.weight"];
  vector.dtype = DType::kF16;
  vector.data.resize(32 * 2);
  expect_error(model, ErrorCode::kUnsupported, "blk.1.attn_norm.weight", {"F32", "F16"});
}

TEST(WeightsTest, NonFiniteVectorsAreRefused) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()}) {
    TinyModel model;
    model.at("blk.1.ffn_norm.weight", 9) = bad;
    expect_error(model, ErrorCode::kCorrupt, "blk.1.ffn_norm.weight", {"element 9", "finite"});
  }
}

TEST(WeightsTest, RopeFactorsMustBePositive) {
  for (const float bad : {0.0f, -2.0f}) {
    TinyModel model;
    model.put("rope_freqs.weight", {4}, {1, 2, bad, 8});
    expect_error(model, ErrorCode::kCorrupt, "rope_freqs.weight", {"positive", fmt::format("found {}", bad)});
  }
  TinyModel model;
  model.put("rope_freqs.weight", {3}, {1, 2, 3});
  expect_error(model, ErrorCode::kCorrupt, "rope_freqs.weight", {"expected shape [4, 1]"});
}

// What the engine would pass over in silence would make every answer wrong.
TEST(WeightsTest, UnknownTensorsOfTheTextModelAreRefused) {
  for (const char* name : {"blk.0.attn_sinks.weight", "blk.2.attn_norm.weight", "output.bias", "output_norm.bias",
                           "token_embd_norm.weight", "rope_factors_long.weight"}) {
    TinyModel model;
    model.add_norm(name, 32);
    expect_error(model, ErrorCode::kUnsupported, name, {"expected no such tensor"});
  }
  TinyModel model;
  model.add_norm("v.blk.0.ln1.weight", 32);
  EXPECT_TRUE(*Loaded(model).weights);
}

}  // namespace
}  // namespace sain::engine
