// Specialists that share a model and differ by an adapter.
// R44, R68: adapters as files bring them, any number of them at once, while the model stays as it is.
#include "engine/adapter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <thread>

#include "engine/session.h"
#include "tests/support/random_blocks.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_adapter.h"

namespace sain::engine {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::some_tokens;
using testing::TinyAdapter;
using testing::TinyModel;

using Logits = std::vector<std::vector<float>>;  // of each token

class AdapterTest : public ::testing::Test {
 protected:
  std::unique_ptr<Model> load(const TinyModel& tiny) {
    auto loaded = Model::load({.path = tiny.write(folder_ / "tiny.gguf"), .packing = Packing::kMemory});
    EXPECT_TRUE(loaded) << loaded.error().message;
    return std::make_unique<Model>(*std::move(loaded));
  }

  std::shared_ptr<const Adapter> load(const TinyAdapter& tiny, const Model& model, float scale = 1,
                                      DType dtype = DType::kF32) {
    auto loaded = Adapter::load(tiny.write(folder_ / "adapter.gguf", dtype), model, scale);
    EXPECT_TRUE(loaded) << loaded.error().message;
    return loaded ? *loaded : nullptr;
  }

  Session session(const Model& model, std::shared_ptr<const Adapter> adapter, Precision precision = Precision::kExact,
                  std::shared_ptr<PrefixStore> prefixes = nullptr) {
    auto created = Session::create(
        model, pool_, {.precision = precision, .prefixes = std::move(prefixes), .adapter = std::move(adapter)});
    EXPECT_TRUE(created) << created.error().message;
    return *std::move(created);
  }

  static Logits logits(Session& session, std::span<const Token> tokens) {
    Logits all;
    const Status done = session.prefill_all(
        tokens, [&](size_t, std::span<const float> row) { all.emplace_back(row.begin(), row.end()); });
    EXPECT_TRUE(done) << done.error().message;
    return all;
  }
  Logits logits(const Model& model, std::shared_ptr<const Adapter> adapter, Precision precision = Precision::kExact) {
    Session s = session(model, std::move(adapter), precision);
    return logits(s, some_tokens(60));
  }

  /// Root mean square of the difference, as a share of that of `expected`.
  static double distance(const Logits& found, const Logits& expected) {
    EXPECT_EQ(found.size(), expected.size());
    double error = 0, magnitude = 0;
    for (size_t t = 0; t < found.size(); ++t) {
      for (size_t i = 0; i < found[t].size(); ++i) {
        error += std::pow(double{found[t][i]} - double{expected[t][i]}, 2);
        magnitude += std::pow(double{expected[t][i]}, 2);
      }
    }
    return std::sqrt(error / magnitude);
  }

  std::string refusal(const TinyAdapter& tiny, const Model& model, ErrorCode code, float scale = 1) {
    const auto path = tiny.write(folder_ / "refused.gguf");
    const auto loaded = Adapter::load(path, model, scale);
    EXPECT_FALSE(loaded);
    if (loaded) return "";
    EXPECT_EQ(loaded.error().code, code) << loaded.error().message;
    EXPECT_THAT(loaded.error().message, HasSubstr(path.string()));
    return loaded.error().message;
  }

  testing::TemporaryFolder folder_;
  ThreadPool pool_{2};
};

/// A model of matrices that have a packed form.
TinyModel quantized_model() {
  TinyModel tiny;
  for (auto& [name, tensor] : tiny.tensors) {
    if (tensor.shape.size() != 2 || tensor.shape[0] % 32 != 0) continue;
    tensor.dtype = DType::kQ4_0;
    tensor.data = testing::random_blocks(DType::kQ4_0, tensor.shape[0] * tensor.shape[1], 3);
  }
  return tiny;
}

// A few tokens and many take different ways.
TEST_F(AdapterTest, EqualsWeightsThatItIsMergedInto) {
  const std::vector<Token> tokens = some_tokens(60);
  for (const char* architecture : {"llama", "qwen2", "qwen3", "gemma2", "gemma3"}) {
    const TinyModel tiny(architecture);
    const auto model = load(tiny);
    const Logits base = logits(*model, nullptr);
    for (const uint64_t rank : {1, 3, 8, 17}) {
      SCOPED_TRACE(fmt::format("{}, rank {}", architecture, rank));
      TinyAdapter adapter(architecture, rank);
      adapter.add_layers(tiny, rank);
      adapter.add(tiny, "output.weight", rank);
      adapter.add(tiny, "token_embd.weight", rank);
      TinyModel merged = tiny;
      adapter.merge_into(merged, 0.75);
      const Logits expected = logits(*load(merged), nullptr);
      Session together = session(*model, load(adapter, *model, 0.75f)),
              apart = session(*model, load(adapter, *model, 0.75f));
      EXPECT_LT(distance(logits(together, tokens), expected), 2e-5);
      Logits found;
      for (const Token& token : tokens) found.push_back(logits(apart, {&token, 1})[0]);
      EXPECT_LT(distance(found, expected), 2e-5);
      EXPECT_GT(distance(base, expected), 0.1);
    }
  }
}

TEST_F(AdapterTest, MayChangeSomeMatricesAlone) {
  const TinyModel tiny;
  const auto model = load(tiny);
  for (const auto& [name, tensor] : tiny.tensors) {
    if (tensor.shape.size() != 2) continue;
    SCOPED_TRACE(name);
    TinyAdapter adapter;
    adapter.add(tiny, name, 4);
    TinyModel merged = tiny;
    adapter.merge_into(merged);
    const Logits expected = logits(*load(merged), nullptr);
    EXPECT_LT(distance(logits(*model, load(adapter, *model)), expected), 2e-5);
    EXPECT_GT(distance(logits(*model, nullptr), expected), 0.01);
  }
}

TEST_F(AdapterTest, MayHaveRanksThatDifferAndTypesOfBlocks) {
  const TinyModel tiny;
  const auto model = load(tiny);
  formats::GgufWriter writer = TinyAdapter().metadata;
  TinyAdapter decoded;
  const auto add = [&](const std::string& name, uint64_t cols, uint64_t rows, uint32_t seed) {
    const std::vector<std::byte> blocks = testing::random_blocks(DType::kQ8_0, cols * rows, seed);
    writer.add_tensor(name, DType::kQ8_0, {cols, rows}, blocks);
    std::vector<float> values(cols * rows);
    kernels::select_dequantize(kernels::Isa::kScalar)[DType::kQ8_0](blocks.data(), values.data(), values.size());
    decoded.tensors[name] = {{cols, rows}, std::move(values)};
  };
  add("blk.0.attn_q.weight.lora_a", TinyModel::kModel, 32, 1);
  add("blk.0.attn_q.weight.lora_b", 32, TinyModel::kModel, 2);
  decoded.add(tiny, "blk.0.attn_k.weight", 5);
  for (const char* half : {"lora_a", "lora_b"}) {
    const auto& [name, tensor] = *decoded.tensors.find(std::string("blk.0.attn_k.weight.") + half);
    writer.add_tensor(name, tensor.shape, tensor.values);
  }
  const auto path = writer.write(folder_ / "mixed.gguf");
  ASSERT_TRUE(path) << path.error().message;
  const auto adapter = Adapter::load(*path, *model);
  ASSERT_TRUE(adapter) << adapter.error().message;
  TinyModel merged = tiny;
  decoded.merge_into(merged);
  EXPECT_LT(distance(logits(*model, *adapter), logits(*load(merged), nullptr)), 2e-5);
}

TEST_F(AdapterTest, TypesThatHoldTheSameNumbersGiveTheSameBits) {
  const TinyModel tiny = quantized_model();
  const auto model = load(tiny);
  TinyAdapter adapter;
  adapter.add_layers(tiny, 5);
  adapter.add(tiny, "token_embd.weight", 3);
  const auto f32 = load(adapter, *model);
  const Logits expected = logits(*model, f32, Precision::kFast);
  for (const DType dtype : {DType::kF16, DType::kBF16}) {
    const auto small = load(adapter, *model, 1, dtype);
    EXPECT_EQ(logits(*model, small, Precision::kFast), expected);
    EXPECT_LT(small->bytes(), f32->bytes() * 3 / 4);
    EXPECT_NE(small->id(), f32->id());
  }
}

// An embedding that is the output too: each has an adapter of its own.
TEST_F(AdapterTest, OfATiedEmbeddingChangesWhatIsLookedUpAlone) {
  TinyModel tiny("gemma3");
  tiny.tensors.erase("output.weight");
  const auto model = load(tiny);
  for (const char* name : {"token_embd.weight", "output.weight"}) {
    TinyAdapter adapter("gemma3");
    adapter.add(tiny, name, 4);
    TinyModel merged = tiny;
    adapter.merge_into(merged);
    EXPECT_LT(distance(logits(*model, load(adapter, *model)), logits(*load(merged), nullptr)), 2e-5) << name;
  }
}

TEST_F(AdapterTest, FastIsNearExact) {
  const TinyModel tiny = quantized_model();
  const auto model = load(tiny);
  ASSERT_NE(model->weights().output.packed, nullptr);
  TinyAdapter adapter;
  adapter.add_layers(tiny, 8);
  const auto loaded = load(adapter, *model);
  const Logits exact = logits(*model, loaded), fast = logits(*model, loaded, Precision::kFast);
  EXPECT_GT(distance(fast, exact), 0);
  EXPECT_LT(distance(fast, exact), 0.03);
  EXPECT_GT(distance(logits(*model, nullptr), exact), 0.1);
}

TEST_F(AdapterTest, NothingAddedGivesTheModelsOwnBits) {
  const TinyModel tiny = quantized_model();
  const auto model = load(tiny);
  TinyAdapter adapter;
  adapter.add_layers(tiny, 8);
  adapter.add(tiny, "output.weight", 8);
  adapter.add(tiny, "token_embd.weight", 8);
  TinyAdapter zero = adapter;
  for (auto& [name, tensor] : zero.tensors) {
    if (name.ends_with("lora_b")) std::ranges::fill(tensor.values, 0.0f);
  }
  for (const Precision precision : {Precision::kExact, Precision::kFast}) {
    const Logits expected = logits(*model, nullptr, precision);
    EXPECT_EQ(logits(*model, load(zero, *model), precision), expected);
    EXPECT_EQ(logits(*model, load(adapter, *model, 0), precision), expected);
    EXPECT_NE(logits(*model, load(adapter, *model), precision), expected);
  }
}

TEST_F(AdapterTest, SeveralShareAModelAtTheSameTime) {
  const TinyModel tiny = quantized_model();
  const auto model = load(tiny);
  std::vector<std::shared_ptr<const Adapter>> adapters = {nullptr};
  for (const uint64_t seed : {1, 2}) {
    TinyAdapter adapter("llama", seed);
    adapter.add_layers(tiny, 2 + 7 * seed);
    adapters.push_back(load(adapter, *model));
  }
  std::vector<Logits> expected, found(adapters.size());
  for (const auto& adapter : adapters) expected.push_back(logits(*model, adapter, Precision::kFast));
  EXPECT_NE(expected[0], expected[1]);
  EXPECT_NE(expected[1], expected[2]);
  std::vector<std::jthread> threads;
  for (size_t i = 0; i < adapters.size(); ++i) {
    threads.emplace_back([&, i] {
      for (int n = 0; n < 5; ++n) found[i] = logits(*model, adapters[i], Precision::kFast);
    });
  }
  threads.clear();
  EXPECT_EQ(found, expected);
}

TEST_F(AdapterTest, PrefixesAreOfOneAdapter) {
  const TinyModel tiny;
  const auto model = load(tiny);
  TinyAdapter one("llama", 1), two("llama", 2);
  for (TinyAdapter* adapter : {&one, &two}) adapter->add_layers(tiny, 4);
  const auto store = std::make_shared<PrefixStore>(PrefixStoreOptions{.directory = folder_ / "prefixes"});
  const std::vector<Token> prompt = some_tokens(40);
  const auto known = [&](std::shared_ptr<const Adapter> adapter) {
    return session(*model, std::move(adapter), Precision::kExact, store).resume(prompt);
  };
  const auto keep = [&](std::shared_ptr<const Adapter> adapter) {
    Session s = session(*model, std::move(adapter), Precision::kExact, store);
    logits(s, prompt);
    s.keep(Keep::kDisk);
  };
  keep(nullptr);
  EXPECT_EQ(known(nullptr), 39u);
  EXPECT_EQ(known(load(one, *model)), 0u);
  keep(load(one, *model));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(known(load(one, *model)), 39u);
    EXPECT_EQ(known(load(one, *model, 0.5f)), 0u);
    EXPECT_EQ(known(load(two, *model)), 0u);
    store->clear();  // and then from the disk
  }
  Session s = session(*model, load(one, *model), Precision::kExact, store);
  s.resume(prompt);
  const auto found = s.prefill({&prompt.back(), 1});
  ASSERT_TRUE(found);
  Session fresh = session(*model, load(one, *model));
  const auto last = fresh.prefill(prompt);
  ASSERT_TRUE(last);
  EXPECT_LT(distance({{found->begin(), found->end()}}, {{last->begin(), last->end()}}), 1e-5);
}

TEST_F(AdapterTest, CountsItsBytes) {
  const TinyModel tiny;
  const auto model = load(tiny);
  TinyAdapter adapter;
  adapter.add(tiny, "blk.0.attn_k.weight", 4);  // (16, 32)
  EXPECT_EQ(load(adapter, *model)->bytes(), (4 * 32 + 16 * 4) * sizeof(float));
  EXPECT_EQ(load(adapter, *model, 1, DType::kF16)->bytes(), (4 * 32 + 16 * 4) * 2u);
}

TEST_F(AdapterTest, RefusesWhatIsNotForTheModel) {
  const TinyModel tiny;
  const auto model = load(tiny);
  TinyAdapter adapter("qwen2");
  adapter.add_layers(tiny, 2);
  EXPECT_THAT(refusal(adapter, *model, ErrorCode::kUnsupported),
              HasSubstr("general.architecture: expected the model's, llama, found 'qwen2'"));
  for (const char* name : {"blk.2.attn_q.weight", "blk.0.attn_qkv.weight", "blk.0.attn_norm.weight", "attn_q", "",
                           "blk.0.attn_q.weight "}) {
    adapter = TinyAdapter();
    adapter.add(tiny, "blk.0.attn_q.weight", 2);
    for (const char* half : {".lora_a", ".lora_b"}) {
      adapter.tensors[std::string(name) + half] = adapter.tensors[std::string("blk.0.attn_q.weight") + half];
    }
    EXPECT_THAT(refusal(adapter, *model, ErrorCode::kUnsupported),
                AllOf(HasSubstr(std::string("'") + name + ".lora_a'"), HasSubstr("one of the model's matrices")));
  }
  adapter = TinyAdapter();
  adapter.add(tiny, "blk.0.attn_q.weight", 2);
  adapter.put("blk.0.attn_q.weight.lora_a", TinyModel::kModel - 1, 2, 1);
  EXPECT_THAT(refusal(adapter, *model, ErrorCode::kUnsupported), HasSubstr("[32, 32], found those of [31, 32]"));
  adapter.put("blk.0.attn_q.weight.lora_a", TinyModel::kModel, 2, 1);
  adapter.put("blk.0.attn_q.weight.lora_b", 2, TinyModel::kModel + 1, 1);
  EXPECT_THAT(refusal(adapter, *model, ErrorCode::kUnsupported), HasSubstr("[32, 32], found those of [32, 33]"));
  adapter = TinyAdapter();
  adapter.add(tiny, "token_embd.weight", 2);
  adapter.put("token_embd.weight.lora_a", 2, TinyModel::kVocab + 1, 1);
  EXPECT_THAT(refusal(adapter, *model, ErrorCode::kUnsupported), HasSubstr("[32, 96], found those of [32, 97]"));
}

TEST_F(AdapterTest, RefusesNumbersThatAreNone) {
  const TinyModel tiny;
  const auto model = load(tiny);
  TinyAdapter adapter;
  adapter.add(tiny, "blk.1.ffn_up.weight", 2);
  const float inf = std::numeric_limits<float>::infinity();
  for (const float scale : {inf, -inf, std::nanf(""), 1e38f}) {
    EXPECT_THAT(refusal(adapter, *model, ErrorCode::kInvalidArgument, scale), HasSubstr("scale: expected"));
  }
  for (const char* half : {".lora_a", ".lora_b"}) {
    TinyAdapter bad = adapter;
    std::vector<float>& values = bad.tensors["blk.1.ffn_up.weight" + std::string(half)].values;
    values.back() = std::nanf("");
    EXPECT_THAT(refusal(bad, *model, ErrorCode::kCorrupt),
                AllOf(HasSubstr("blk.1.ffn_up.weight" + std::string(half)), HasSubstr("expected a finite number")));
  }
}

TEST_F(AdapterTest, ASessionRefusesOneOfAnotherModel) {
  const TinyModel tiny;
  const auto model = load(tiny);
  TinyAdapter adapter;
  adapter.add(tiny, "blk.0.ffn_up.weight", 2);
  const auto loaded = load(adapter, *model);
  TinyModel wider = tiny;
  wider.set("feed_forward_length", uint32_t{64});
  for (const char* layer : {"blk.0.", "blk.1."}) {
    wider.add_matrix(std::string(layer) + "ffn_gate.weight", 64, TinyModel::kModel);
    wider.add_matrix(std::string(layer) + "ffn_up.weight", 64, TinyModel::kModel);
    wider.add_matrix(std::string(layer) + "ffn_down.weight", TinyModel::kModel, 64);
  }
  const auto other = load(wider);
  const auto refused = Session::create(*other, pool_, {.adapter = loaded});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(refused.error().message, HasSubstr("adapter: expected one of "));
  // Another model of the same shapes is as good.
  EXPECT_TRUE(Session::create(*load(TinyModel("llama", 2)), pool_, {.adapter = loaded}));
}

}  // namespace
}  // namespace sain::engine
