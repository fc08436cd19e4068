#include "engine/cpu/key_centers.h"

#include <algorithm>
#include <functional>

namespace sain::engine::cpu {
namespace {

/// The pairs that matter turn little within half of it. (With 4096 for Qwen2.5-Coder-0.5B the divergence is half as
/// large again.) A context has at most 32, so that kMaxBlocks leaves room for the sinks' and for what a batch and the
/// context touch in part.
uint64_t block_positions(const ModelConfig& config) {
  return std::max<uint64_t>(512, (config.context_length + 31) / 32);
}

}  // namespace

KeyCenters::KeyCenters(const Model& model)
    : model_(&model),
      block_(block_positions(model.config())),
      kv_dim_(model.config().kv_dim()),
      angles_(kMaxBlocks * model.config().rope.rotary_dim),
      offsets_(kMaxBlocks * kv_dim_) {}

void KeyCenters::start(const RopeTable& rope, const KvRule& rule, uint64_t position, size_t n_tokens) {
  first_ = std::max<uint64_t>(1, rule.window_begin(position) / block_);
  const uint64_t last = (position + n_tokens - 1) / block_;
  n_blocks_ = last < first_ ? 1 : static_cast<size_t>(last - first_ + 2);
  SAIN_CHECK(n_blocks_ <= kMaxBlocks);
  for (size_t i = 0; i < n_blocks_; ++i) {
    const uint64_t block = i == 0 ? 0 : first_ + i - 1;
    rope.fill(block * block_ + block_ / 2, &angles_[i * rope.rotary_dim()]);
  }
}

bool KeyCenters::set_layer(uint32_t layer) {
  const ModelConfig& config = model_->config();
  const LayerWeights& weights = model_->weights().layers[layer];
  // A norm after it, or a cap on scores, and a bias is no longer something that is added to them.
  const bool is_added = weights.k_norm.empty() && config.attention_soft_cap == 0 && !config.is_local[layer];
  if (weights.k_bias.empty() || !is_added) return false;
  const kernels::Rope& ropes = model_->kernels().rope;
  const kernels::RopeFn rotate = config.rope.layout == RopeLayout::kAdjacent ? ropes.adjacent : ropes.halves;
  for (size_t i = 0; i < n_blocks_; ++i) {
    float* offset = &offsets_[i * kv_dim_];
    std::ranges::transform(weights.k_bias, offset, std::negate());
    rotate(offset, config.n_kv_heads, config.head_dim, &angles_[i * config.rope.rotary_dim], config.rope.rotary_dim);
    model_->kernels().hadamard(offset, kv_dim_, kernels::hadamard_block(config.head_dim));
  }
  return true;
}

}  // namespace sain::engine::cpu
