// A model that runs, small enough to make in a test: random weights, and a byte-level tokenizer over most of ASCII.
// Tests change, add or remove any of its metadata and tensors before it becomes a file.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/gguf_writer.h"
#include "kernels/dtype.h"
#include "tests/support/random_floats.h"

namespace sain::testing {

struct TinyModel {
  static constexpr uint32_t kLayers = 2, kModel = 32, kFeedForward = 48, kHeads = 4, kKvHeads = 2, kHeadDim = 8;
  static constexpr uint32_t kVocab = 96, kContext = 320;
  // Tokens: 0 <|start|>, 1 <|end|> (both control), 2 a space, 3 to 93 single characters, 94 "th", 95 "the".
  static constexpr int32_t kEnd = 1;

  struct Tensor {
    DType dtype = DType::kF32;
    std::vector<uint64_t> shape;  // shape[0] is the length of a row
    std::vector<std::byte> data;
  };

  formats::GgufWriter metadata;           // set() and remove() what a test is about
  std::map<std::string, Tensor> tensors;  // by name, in the order of the file

  explicit TinyModel(std::string_view architecture = "llama", uint64_t random_seed = 1)
      : prefix(std::string(architecture) + "."), seed(random_seed) {
    metadata.set("general.architecture", architecture);
    metadata.set("general.name", "Tiny");
    set("block_count", kLayers);
    set("context_length", kContext);
    set("embedding_length", kModel);
    set("feed_forward_length", kFeedForward);
    set("attention.head_count", kHeads);
    set("attention.head_count_kv", kKvHeads);
    set("attention.key_length", kHeadDim);
    set("attention.value_length", kHeadDim);
    set("attention.layer_norm_rms_epsilon", 1e-5f);
    set("rope.freq_base", 10000.0f);
    const bool is_gemma = architecture.starts_with("gemma");
    if (is_gemma) set("attention.sliding_window", uint32_t{16});
    add_tokenizer();

    const bool has_qk_norm = architecture == "qwen3" || architecture == "gemma3";
    add_matrix("token_embd.weight", kVocab, kModel);
    add_matrix("output.weight", kVocab, kModel);
    add_norm("output_norm.weight", kModel);
    for (uint32_t l = 0; l < kLayers; ++l) {
      const std::string layer = "blk." + std::to_string(l) + ".";
      add_norm(layer + "attn_norm.weight", kModel);
      add_matrix(layer + "attn_q.weight", kHeads * kHeadDim, kModel);
      add_matrix(layer + "attn_k.weight", kKvHeads * kHeadDim, kModel);
      add_matrix(layer + "attn_v.weight", kKvHeads * kHeadDim, kModel);
      add_matrix(layer + "attn_output.weight", kModel, kHeads * kHeadDim);
      add_norm(layer + "ffn_norm.weight", kModel);
      add_matrix(layer + "ffn_gate.weight", kFeedForward, kModel);
      add_matrix(layer + "ffn_up.weight", kFeedForward, kModel);
      add_matrix(layer + "ffn_down.weight", kModel, kFeedForward);
      if (has_qk_norm) add_norm(layer + "attn_q_norm.weight", kHeadDim);
      if (has_qk_norm) add_norm(layer + "attn_k_norm.weight", kHeadDim);
      if (is_gemma) add_norm(layer + "post_attention_norm.weight", kModel);
      if (is_gemma) add_norm(layer + "post_ffw_norm.weight", kModel);
    }
  }

  /// Sets `<architecture>.<key>`.
  template <class T>
  void set(std::string_view key, const T& value) {
    metadata.set(prefix + std::string(key), value);
  }
  void remove(std::string_view key) { metadata.remove(prefix + std::string(key)); }

  /// Adds a tensor or replaces it.
  void put(const std::string& name, std::vector<uint64_t> shape, const std::vector<float>& values) {
    const auto* bytes = reinterpret_cast<const std::byte*>(values.data());
    tensors[name] = {DType::kF32, std::move(shape), {bytes, bytes + values.size() * sizeof(float)}};
  }
  void add_matrix(const std::string& name, uint64_t rows, uint64_t cols) {
    put(name, {cols, rows}, random_floats(rows * cols, next_seed(), 1.5f / std::sqrt(static_cast<float>(cols))));
  }
  void add_norm(const std::string& name, uint64_t n) {
    std::vector<float> values = random_floats(n, next_seed(), 0.3f);
    for (float& x : values) x += 1;
    put(name, {n}, values);
  }

  /// One element of an F32 tensor.
  float& at(const std::string& name, size_t element) {
    return reinterpret_cast<float*>(tensors.at(name).data.data())[element];
  }

  /// The file's bytes, for GgufFile::parse().
  std::string bytes() const {
    auto result = writer().to_bytes();
    EXPECT_TRUE(result) << result.error().message;
    return *std::move(result);
  }

  /// Writes the file and returns its path.
  std::filesystem::path write(const std::filesystem::path& path) const {
    auto result = writer().write(path);
    EXPECT_TRUE(result) << result.error().message;
    return *std::move(result);
  }

  std::string prefix;
  uint64_t seed;

 private:
  uint64_t next_seed() { return seed * 1000 + tensors.size(); }

  formats::GgufWriter writer() const {
    formats::GgufWriter out = metadata;
    for (const auto& [name, tensor] : tensors) out.add_tensor(name, tensor.dtype, tensor.shape, tensor.data);
    return out;
  }

  void add_tokenizer() {
    std::vector<std::string> tokens = {"<|start|>", "<|end|>", "\xc4\xa0"};  // U+0120 stands for the byte of a space
    for (char c = '!'; c <= '~'; ++c) {
      if (c != '^' && c != '`' && c != '~') tokens.push_back(std::string(1, c));
    }
    tokens.insert(tokens.end(), {"th", "the"});
    std::vector<int32_t> types(tokens.size(), 1);
    types[0] = types[1] = 3;
    metadata.set("tokenizer.ggml.model", "gpt2");
    metadata.set("tokenizer.ggml.pre", "gpt-2");
    metadata.set("tokenizer.ggml.tokens", tokens);
    metadata.set("tokenizer.ggml.token_type", types);
    metadata.set("tokenizer.ggml.merges", std::vector<std::string>{"t h", "th e"});
    metadata.set("tokenizer.ggml.bos_token_id", uint32_t{0});
    metadata.set("tokenizer.ggml.eos_token_id", uint32_t{1});
    metadata.set("tokenizer.ggml.add_bos_token", false);
  }
};

/// Random tokens of a TinyModel, none of them a control token.
inline std::vector<int32_t> some_tokens(size_t n, uint64_t seed = 1) {
  std::mt19937_64 random(seed);
  std::vector<int32_t> tokens(n);
  for (int32_t& token : tokens) token = static_cast<int32_t>(2 + random() % (TinyModel::kVocab - 2));
  return tokens;
}

}  // namespace sain::testing
