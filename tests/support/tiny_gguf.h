// A small file with all that a real model's has: every metadata type, tokenizer arrays, tensors of several types.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "formats/gguf_writer.h"

namespace sain::testing {

/// Bytes that differ from place to place, for tensors whose values do not matter.
inline std::vector<std::byte> pattern_bytes(size_t n) {
  std::vector<std::byte> bytes(n);
  for (size_t i = 0; i < n; ++i) bytes[i] = static_cast<std::byte>(i * 37 % 251);
  return bytes;
}

inline bool has_pattern_bytes(const formats::TensorInfo& tensor) {
  return std::ranges::equal(std::span(tensor.data, tensor.bytes), pattern_bytes(tensor.bytes));
}

/// About 60 KB: a llama of one layer with 300 tokens.
inline formats::GgufWriter tiny_llama() {
  constexpr uint64_t kModel = 64, kFeedForward = 128, kVocab = 300;
  formats::GgufWriter writer;
  writer.set("general.architecture", "llama");
  writer.set("general.name", std::string("Tiny"));
  writer.set("llama.block_count", uint32_t{1});
  writer.set("llama.context_length", uint32_t{128});
  writer.set("llama.embedding_length", uint32_t{kModel});
  writer.set("llama.feed_forward_length", uint32_t{kFeedForward});
  writer.set("llama.attention.head_count", uint32_t{4});
  writer.set("llama.attention.head_count_kv", uint32_t{2});
  writer.set("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  writer.set("llama.rope.freq_base", 10000.0f);
  std::vector<std::string> tokens, merges;
  std::vector<float> scores;
  std::vector<int32_t> types;
  for (uint64_t i = 0; i < kVocab; ++i) {
    tokens.push_back("t" + std::to_string(i));
    scores.push_back(-static_cast<float>(i));
    types.push_back(i < 3 ? 3 : 1);
    if (i % 3 == 0) merges.push_back("t " + std::to_string(i));
  }
  writer.set("tokenizer.ggml.model", "gpt2");
  writer.set("tokenizer.ggml.tokens", tokens);
  writer.set("tokenizer.ggml.scores", scores);
  writer.set("tokenizer.ggml.token_type", types);
  writer.set("tokenizer.ggml.merges", merges);
  writer.set("tokenizer.ggml.bos_token_id", uint32_t{1});
  writer.set("tokenizer.ggml.add_bos_token", true);
  writer.set("test.u8", uint8_t{200});
  writer.set("test.i8", int8_t{-100});
  writer.set("test.u16", uint16_t{60000});
  writer.set("test.i16", int16_t{-30000});
  writer.set("test.i32", int32_t{-2000000000});
  writer.set("test.u64", uint64_t{1} << 63);
  writer.set("test.i64", int64_t{-1} << 62);
  writer.set("test.f64", 0.1);
  writer.set("test.bools", std::vector<bool>{true, false, true});
  writer.set("test.nested", std::vector<std::vector<uint16_t>>{{1, 2}, {}, {3}});

  const auto add = [&](const char* name, DType dtype, std::vector<uint64_t> shape) {
    uint64_t n = 1;
    for (const uint64_t size : shape) n *= size;
    writer.add_tensor(name, dtype, std::move(shape), pattern_bytes(row_bytes(dtype, n)));
  };
  add("token_embd.weight", DType::kQ8_0, {kModel, kVocab});
  add("blk.0.attn_norm.weight", DType::kF32, {kModel});
  add("blk.0.attn_q.weight", DType::kQ4_0, {kModel, kModel});
  add("blk.0.attn_k.weight", DType::kF16, {kModel, kModel / 2});
  add("blk.0.attn_v.weight", DType::kBF16, {kModel, kModel / 2});
  add("blk.0.attn_output.weight", DType::kQ5_0, {kModel, kModel});
  add("blk.0.ffn_gate.weight", DType::kQ4_1, {kModel, kFeedForward});
  add("blk.0.ffn_up.weight", DType::kIQ4_NL, {kModel, kFeedForward});
  add("blk.0.ffn_down.weight", DType::kQ8_0, {kFeedForward, kModel});
  add("output_norm.weight", DType::kF32, {kModel});
  add("test.four_dims", DType::kQ4_K, {256, 2, 3, 2});
  return writer;
}

}  // namespace sain::testing
