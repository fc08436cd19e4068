// Passes in f32, of any number of tokens, on any device.
#include <utility>

#include "engine/vulkan/forward.h"

namespace sain::engine::vulkan {

/// From x_ to logits_, or to x_ where others come after.
Status Forward::record_layers(CommandList& list, uint32_t n_tokens) {
  for (uint32_t layer = 0; layer < n_layers(); ++layer) {
    SAIN_RETURN_IF_ERROR(record_attention(list, layer, n_tokens));
    list.barrier();
    SAIN_RETURN_IF_ERROR(record_ffn(list, layer, n_tokens));
    list.barrier();
  }
  return record_output(list, n_tokens);
}

Status Forward::record_attention(CommandList& list, uint32_t layer, uint32_t n_tokens) {
  const ModelConfig& config = model_->config();
  const DeviceLayer& w = weights_->layers[layer];
  Product product = {.x = x_,
                     .y = qkv_,
                     .y_stride = config.q_dim() + 2 * config.kv_dim(),
                     .n_tokens = n_tokens,
                     .norm = w.attention_norm,
                     .epsilon = config.rms_epsilon,
                     .bias = w.qkv_bias};
  for (const auto& [matrix, offset] :
       {std::pair{&w.q, 0u}, std::pair{&w.k, config.q_dim()}, std::pair{&w.v, config.q_dim() + config.kv_dim()}}) {
    product.w = matrix;
    product.y_offset = offset;
    SAIN_RETURN_IF_ERROR(operators_.product(list, product));
  }
  list.barrier();
  const Attention attention = attention_of(layer, n_tokens);
  SAIN_RETURN_IF_ERROR(operators_.rope(list, attention));
  list.barrier();
  SAIN_RETURN_IF_ERROR(operators_.attention(list, attention));
  list.barrier();
  return record_residual(
      list, {.w = &w.attention_output, .x = attended_, .n_tokens = n_tokens, .bias = w.attention_output_bias},
      w.post_attention_norm);
}

Status Forward::record_ffn(CommandList& list, uint32_t layer, uint32_t n_tokens) {
  const ModelConfig& config = model_->config();
  const DeviceLayer& w = weights_->layers[layer];
  const bool is_joined = !w.gate_up.pieces.empty();
  Product product = {.w = is_joined ? &w.gate_up : &w.gate,
                     .x = x_,
                     .y = gate_,
                     .y_stride = config.d_ff,
                     .n_tokens = n_tokens,
                     .norm = w.ffn_norm,
                     .epsilon = config.rms_epsilon,
                     .bias = w.gate_bias,
                     .result = is_joined ? Product::Result::kGated : Product::Result::kStore,
                     .activation = config.activation};
  SAIN_RETURN_IF_ERROR(operators_.product(list, product));
  if (!is_joined) {
    list.barrier();
    product.w = &w.up;
    product.bias = w.up_bias;
    product.result = Product::Result::kActivate;
    SAIN_RETURN_IF_ERROR(operators_.product(list, product));
  }
  list.barrier();
  return record_residual(list, {.w = &w.down, .x = gate_, .n_tokens = n_tokens, .bias = w.down_bias}, w.post_ffn_norm);
}

/// x += the product, which is normalised first where the model says so (gemma).
Status Forward::record_residual(CommandList& list, Product product, const Slice& post_norm, bool on_matrices) {
  const ModelConfig& config = model_->config();
  product.y = post_norm ? delta_ : x_;
  product.y_stride = config.d_model;
  product.result = post_norm ? Product::Result::kStore : Product::Result::kAdd;
  SAIN_RETURN_IF_ERROR(on_matrices ? operators_.product_matrix(list, product, false)
                                   : operators_.product(list, product));
  if (!post_norm) return {};
  list.barrier();
  return operators_.rms_norm(list, {.x = delta_,
                                    .weight = post_norm,
                                    .y = x_,
                                    .n = config.d_model,
                                    .n_tokens = product.n_tokens,
                                    .epsilon = config.rms_epsilon,
                                    .result = Norm::Result::kAdd});
}

}  // namespace sain::engine::vulkan
