// A pass of many tokens on cooperative matrices: what products read is f16, the residual stream and what is added to it
// f32.
#include "engine/vulkan/forward.h"

namespace sain::engine::vulkan {

bool Forward::can_matrix() const {
  const ModelConfig& config = model_->config();
  return operators_.can_matrix() && config.d_model % 32 == 0 && config.d_ff % 32 == 0 && config.q_dim() % 32 == 0 &&
         config.kv_dim() % 16 == 0;
}

Status Forward::record_matrix_layers(CommandList& list, uint32_t n_tokens) {
  for (uint32_t layer = 0; layer < n_layers(); ++layer) {
    SAIN_RETURN_IF_ERROR(record_matrix_attention(list, layer, n_tokens));
    list.barrier();
    SAIN_RETURN_IF_ERROR(record_matrix_ffn(list, layer, n_tokens));
    list.barrier();
  }
  return record_output(list, n_tokens);
}

Status Forward::record_matrix_attention(CommandList& list, uint32_t layer, uint32_t n_tokens) {
  const ModelConfig& config = model_->config();
  const DeviceLayer& w = weights_->layers[layer];
  SAIN_RETURN_IF_ERROR(operators_.rms_norm(list, {.x = x_,
                                                  .weight = w.attention_norm,
                                                  .y = x16_,
                                                  .n = config.d_model,
                                                  .n_tokens = n_tokens,
                                                  .epsilon = config.rms_epsilon,
                                                  .result = Norm::Result::kHalves}));
  list.barrier();
  Product product = {
      .x = x16_, .y = qkv_, .y_stride = config.q_dim() + 2 * config.kv_dim(), .n_tokens = n_tokens, .bias = w.qkv_bias};
  for (const auto& [matrix, offset] :
       {std::pair{&w.q, 0u}, std::pair{&w.k, config.q_dim()}, std::pair{&w.v, config.q_dim() + config.kv_dim()}}) {
    product.w = matrix;
    product.y_offset = offset;
    SAIN_RETURN_IF_ERROR(operators_.product_matrix(list, product, false));
  }
  list.barrier();
  Attention attention = attention_of(layer, n_tokens);
  SAIN_RETURN_IF_ERROR(operators_.rope(list, attention));
  list.barrier();
  if (attention.parameters.n_sinks == 0 && config.head_dim % 16 == 0 && config.head_dim <= kMostHeadDim) {
    attention.out = attended16_;
    SAIN_RETURN_IF_ERROR(operators_.attention_matrix(list, attention));
  } else {
    SAIN_RETURN_IF_ERROR(operators_.attention(list, attention));
    list.barrier();
    SAIN_RETURN_IF_ERROR(operators_.halve(list, attended_, n_tokens * config.q_dim(), attended16_));
  }
  list.barrier();
  return record_residual(
      list, {.w = &w.attention_output, .x = attended16_, .n_tokens = n_tokens, .bias = w.attention_output_bias},
      w.post_attention_norm, true);
}

Status Forward::record_matrix_ffn(CommandList& list, uint32_t layer, uint32_t n_tokens) {
  const ModelConfig& config = model_->config();
  const DeviceLayer& w = weights_->layers[layer];
  SAIN_RETURN_IF_ERROR(operators_.rms_norm(list, {.x = x_,
                                                  .weight = w.ffn_norm,
                                                  .y = x16_,
                                                  .n = config.d_model,
                                                  .n_tokens = n_tokens,
                                                  .epsilon = config.rms_epsilon,
                                                  .result = Norm::Result::kHalves}));
  list.barrier();
  Product product = {.x = x16_, .y_stride = config.d_ff, .n_tokens = n_tokens, .activation = config.activation};
  if (!w.gate_up.pieces.empty()) {
    product.w = &w.gate_up;
    product.y = gate16_;
    product.result = Product::Result::kGated;
    SAIN_RETURN_IF_ERROR(operators_.product_matrix(list, product, true));
  } else {
    product.w = &w.gate;
    product.y = gate_;
    product.bias = w.gate_bias;
    SAIN_RETURN_IF_ERROR(operators_.product_matrix(list, product, false));
    list.barrier();
    product.w = &w.up;
    product.bias = w.up_bias;
    product.result = Product::Result::kActivate;
    SAIN_RETURN_IF_ERROR(operators_.product_matrix(list, product, false));
    list.barrier();
    SAIN_RETURN_IF_ERROR(operators_.halve(list, gate_, n_tokens * config.d_ff, gate16_));
  }
  list.barrier();
  return record_residual(list, {.w = &w.down, .x = gate16_, .n_tokens = n_tokens, .bias = w.down_bias}, w.post_ffn_norm,
                         true);
}

}  // namespace sain::engine::vulkan
