// A tiny encoder as it is published, converted, loaded, and compared with its equations in double.
#include "tools/models/convert_bert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "engine/encoder.h"
#include "tests/support/random_floats.h"
#include "tests/support/temporary_folder.h"

namespace sain::tools {
namespace {

using formats::Token;
using ::testing::HasSubstr;
using testing::random_floats;

constexpr size_t kModel = 12, kFeedForward = 20, kHeads = 3, kHeadDim = 4, kPositions = 70, kLayers = 2;
constexpr std::string_view kVocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\n##c\n";

struct Published {
  std::map<std::string, std::pair<std::vector<size_t>, std::vector<float>>> tensors;
  std::string config =
      R"({"num_hidden_layers": 2, "hidden_size": 12, "intermediate_size": 20, "num_attention_heads": 3,
          "max_position_embeddings": 70, "layer_norm_eps": 1e-12})";
  std::string vocabulary = std::string(kVocabulary);

  Published() {
    const auto add = [&](const std::string& name, std::vector<size_t> shape) {
      size_t n = 1;
      for (const size_t length : shape) n *= length;
      tensors[name] = {std::move(shape), random_floats(n, tensors.size() + 1, 1)};
    };
    const auto linear = [&](const std::string& name, size_t rows, size_t cols) {
      add(name + ".weight", {rows, cols});
      add(name + ".bias", {rows});
    };
    add("embeddings.word_embeddings.weight", {7, kModel});
    add("embeddings.position_embeddings.weight", {kPositions, kModel});
    add("embeddings.token_type_embeddings.weight", {2, kModel});
    linear("embeddings.LayerNorm", kModel, 1);
    for (size_t layer = 0; layer < kLayers; ++layer) {
      const std::string prefix = "encoder.layer." + std::to_string(layer) + ".";
      for (const char* name :
           {"attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"}) {
        linear(prefix + name, kModel, kModel);
      }
      linear(prefix + "intermediate.dense", kFeedForward, kModel);
      linear(prefix + "output.dense", kModel, kFeedForward);
      linear(prefix + "attention.output.LayerNorm", kModel, 1);
      linear(prefix + "output.LayerNorm", kModel, 1);
    }
    for (auto& [name, tensor] : tensors) {
      if (name.ends_with("LayerNorm.weight")) tensor.first = {kModel};
    }
    add("pooler.dense.weight", {kModel, kModel});  // which embeddings do not need
  }

  std::string safetensors() const {
    std::string header = "{", data;
    for (const auto& [name, tensor] : tensors) {
      std::string shape;
      for (const size_t length : tensor.first) shape += (shape.empty() ? "" : ",") + std::to_string(length);
      const size_t begin = data.size();
      data.append(reinterpret_cast<const char*>(tensor.second.data()), tensor.second.size() * sizeof(float));
      header += (header.size() > 1 ? "," : "") + ("\"" + name) + R"(":{"dtype":"F32","shape":[)" + shape +
                R"(],"data_offsets":[)" + std::to_string(begin) + "," + std::to_string(data.size()) + "]}";
    }
    header += "}";
    const uint64_t length = header.size();
    std::string bytes(8, '\0');
    std::memcpy(bytes.data(), &length, 8);
    return bytes + header + data;
  }

  Status convert(const std::filesystem::path& path) const {
    const std::string bytes = safetensors();
    return convert_bert({"tiny", std::as_bytes(std::span(bytes)), config, vocabulary}, path);
  }
};

/// The equations of arXiv 1810.04805, slowly.
class Reference {
 public:
  using Rows = std::vector<std::vector<double>>;

  explicit Reference(const Published& published) : published_(published) {}

  std::vector<double> embed(const std::vector<Token>& tokens) {
    Rows x;
    for (size_t t = 0; t < tokens.size(); ++t) {
      std::vector<double> row(kModel);
      for (size_t i = 0; i < kModel; ++i) {
        row[i] = at("embeddings.word_embeddings.weight", static_cast<size_t>(tokens[t]) * kModel + i) +
                 at("embeddings.position_embeddings.weight", t * kModel + i) +
                 at("embeddings.token_type_embeddings.weight", i);
      }
      x.push_back(row);
    }
    norm(x, "embeddings.LayerNorm");
    for (size_t layer = 0; layer < kLayers; ++layer) {
      const std::string prefix = "encoder.layer." + std::to_string(layer) + ".";
      add(x, linear(attention(x, prefix), prefix + "attention.output.dense", kModel));
      norm(x, prefix + "attention.output.LayerNorm");
      Rows up = linear(x, prefix + "intermediate.dense", kFeedForward);
      for (auto& row : up) {
        for (double& value : row) value = value / 2 * (1 + std::erf(value / std::sqrt(2.0)));
      }
      add(x, linear(up, prefix + "output.dense", kModel));
      norm(x, prefix + "output.LayerNorm");
    }
    std::vector<double> mean(kModel);
    double squares = 0;
    for (const auto& row : x) {
      for (size_t i = 0; i < kModel; ++i) mean[i] += row[i];
    }
    for (const double value : mean) squares += value * value;
    for (double& value : mean) value /= std::sqrt(squares);
    return mean;
  }

 private:
  double at(const std::string& name, size_t i) const { return double{published_.tensors.at(name).second.at(i)}; }

  Rows linear(const Rows& x, const std::string& name, size_t rows) const {
    Rows out;
    for (const auto& row : x) {
      auto& y = out.emplace_back(rows);
      for (size_t r = 0; r < rows; ++r) {
        y[r] = at(name + ".bias", r);
        for (size_t i = 0; i < row.size(); ++i) y[r] += at(name + ".weight", r * row.size() + i) * row[i];
      }
    }
    return out;
  }

  Rows attention(const Rows& x, const std::string& prefix) const {
    const Rows q = linear(x, prefix + "attention.self.query", kModel),
               k = linear(x, prefix + "attention.self.key", kModel),
               v = linear(x, prefix + "attention.self.value", kModel);
    Rows out(x.size(), std::vector<double>(kModel));
    for (size_t head = 0; head < kHeads; ++head) {
      const size_t first = head * kHeadDim;
      for (size_t t = 0; t < x.size(); ++t) {
        double sum = 0;
        std::vector<double> weights;
        for (size_t p = 0; p < x.size(); ++p) {
          double score = 0;
          for (size_t i = 0; i < kHeadDim; ++i) score += q[t][first + i] * k[p][first + i];
          weights.push_back(std::exp(score / std::sqrt(double{kHeadDim})));
          sum += weights.back();
        }
        for (size_t p = 0; p < x.size(); ++p) {
          for (size_t i = 0; i < kHeadDim; ++i) out[t][first + i] += weights[p] / sum * v[p][first + i];
        }
      }
    }
    return out;
  }

  static void add(Rows& x, const Rows& y) {
    for (size_t t = 0; t < x.size(); ++t) {
      for (size_t i = 0; i < x[t].size(); ++i) x[t][i] += y[t][i];
    }
  }

  void norm(Rows& x, const std::string& name) const {
    for (auto& row : x) {
      double mean = 0, squares = 0;
      for (const double value : row) mean += value / kModel;
      for (const double value : row) squares += (value - mean) * (value - mean) / kModel;
      for (size_t i = 0; i < kModel; ++i) {
        row[i] = (row[i] - mean) / std::sqrt(squares) * at(name + ".weight", i) + at(name + ".bias", i);
      }
    }
  }

  const Published& published_;
};

class ConvertBertTest : public ::testing::Test {
 protected:
  testing::TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "tiny.gguf";
  engine::ThreadPool pool_{2};
};

TEST_F(ConvertBertTest, ComputesTheEquations) {
  const Published published;
  ASSERT_TRUE(published.convert(path_));
  auto encoder = engine::Encoder::load(path_, pool_);
  ASSERT_TRUE(encoder) << encoder.error().message;
  EXPECT_EQ(encoder->dimension(), kModel);
  EXPECT_EQ(encoder->tokens("a bc x"), (std::vector<Token>{2, 4, 5, 6, 1, 3}));
  for (const size_t n : {1, 2, 6, 17, 70}) {
    std::vector<Token> tokens;
    for (size_t t = 0; t < n; ++t) tokens.push_back(static_cast<Token>(t * t % 7));
    const auto found = encoder->embed(tokens);
    ASSERT_TRUE(found) << found.error().message;
    const auto expected = Reference(published).embed(tokens);
    for (size_t i = 0; i < kModel; ++i) EXPECT_NEAR((*found)[i], expected[i], 1e-5) << n << " tokens";
  }
}

TEST_F(ConvertBertTest, SaysWhatIsWrong) {
  const auto message = [this](const auto& change) {
    Published published;
    change(published);
    const Status status = published.convert(path_);
    if (!status) return status.error().message;
    const auto encoder = engine::Encoder::load(path_, pool_);
    return encoder ? std::string("nothing") : encoder.error().message;
  };
  EXPECT_EQ(message([](Published&) {}), "nothing");
  EXPECT_THAT(message([](Published& p) { p.config = "{"; }), HasSubstr("tiny: config.json: num_hidden_layers"));
  EXPECT_THAT(message([](Published& p) { p.config.replace(p.config.find("1e-12"), 5, "\"\""); }),
              HasSubstr("layer_norm_eps: expected a number"));
  EXPECT_THAT(message([](Published& p) { p.tensors.erase("encoder.layer.1.output.dense.bias"); }),
              HasSubstr("tiny: tensor encoder.layer.1.output.dense.bias is missing"));
  EXPECT_THAT(message([](Published& p) {
                p.tensors.at("encoder.layer.1.output.dense.bias").first = {2, 6};
              }),
              HasSubstr("tensor blk.1.ffn_down.bias: expected shape [12, 1], found [6, 2, 1, 1]"));
  EXPECT_THAT(message([](Published& p) { p.config.replace(p.config.find("heads\": 3"), 9, "heads\": 5"); }),
              HasSubstr("bert.attention.head_count: expected a divisor of 12, found 5"));
  EXPECT_THAT(message([](Published& p) { p.config.replace(p.config.find("layers\": 2"), 10, "layers\": 0"); }),
              HasSubstr("bert.block_count: expected 1 to 1024, found 0"));
  EXPECT_THAT(message([](Published& p) { p.vocabulary = "a\nb\n"; }), HasSubstr("unknown_token_id"));
}

}  // namespace
}  // namespace sain::tools
