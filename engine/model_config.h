// What a model is: its architecture and dimensions, read from GGUF metadata and checked.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "formats/gguf.h"
#include "formats/result.h"

namespace sain::engine {

enum class Architecture { kLlama, kQwen2, kQwen3, kGemma2, kGemma3 };
enum class Activation { kSilu, kGelu };  // kGelu: the tanh approximation
enum class RopeLayout {
  kAdjacent,  // pairs (2i, 2i+1): llama
  kHalves,    // pairs (i, i + rotary_dim/2): qwen, gemma ("neox")
};

/// How positions become angles. theta_i = base^(-2i/rotary_dim), then scaled. Every scaling here gives an angle that is
/// proportional to the position, so that what two tokens make of each other depends on their distance alone: streaming
/// (ContextPolicy::kStream) relies on it. Scalings that change with the length of the text are refused.
struct RopeConfig {
  enum class Scaling { kNone, kLinear, kYarn };
  RopeLayout layout = RopeLayout::kAdjacent;
  uint32_t rotary_dim = 0;  // even, <= head_dim
  float base = 10000;
  float local_base = 10000;  // of sliding-window layers
  Scaling scaling = Scaling::kNone;
  float factor = 1;  // positions are divided by it
  float attention_factor = 1;
  float yarn_extrapolation = 1, yarn_beta_fast = 32, yarn_beta_slow = 1;
  uint32_t original_context = 0;
};

struct ModelConfig {
  Architecture architecture = Architecture::kLlama;
  std::string name;
  uint32_t n_layers = 0;
  uint32_t d_model = 0;
  uint32_t d_ff = 0;
  uint32_t n_heads = 0;
  uint32_t n_kv_heads = 0;
  uint32_t head_dim = 0;
  uint32_t vocab_size = 0;
  uint32_t context_length = 0;
  float rms_epsilon = 1e-5f;
  Activation activation = Activation::kSilu;
  RopeConfig rope;
  float embedding_scale = 1;     // multiplies the embedding row
  float attention_scale = 0;     // multiplies q.k
  float attention_soft_cap = 0;  // 0: none; otherwise cap * tanh(x / cap)
  float logit_soft_cap = 0;
  uint32_t sliding_window = 0;  // tokens that a local layer sees; 0: no local layers
  std::vector<bool> is_local;   // (n_layers): true for sliding-window layers

  /// Errors: kUnsupported (architecture, rope scaling), kCorrupt (a dimension that is missing, zero, or absurd).
  static Result<ModelConfig> from_metadata(const formats::Metadata& metadata);

  uint32_t q_dim() const { return n_heads * head_dim; }
  uint32_t kv_dim() const { return n_kv_heads * head_dim; }
};

}  // namespace sain::engine
