// One token's pass with activations in 8 bits. Whoever computes a vector that a product needs also leaves it in 8 bits,
// and of x the sums of squares, so that no product has to look at x twice.
#include "engine/vulkan/forward.h"

namespace sain::engine::vulkan {

bool Forward::can_int8() const {
  const ModelConfig& config = model_->config();
  return device_->capabilities().int8() && weights_->is_quantized() &&
         config.head_dim % shaders::kQuantizedBlock == 0 && config.head_dim <= kMostHeadDim;
}

/// Of what a layer leaves; where others come after this part its own will do, whose result nobody reads.
const Slice& Forward::next_norm_of(uint32_t layer) const {
  if (layer + 1 < n_layers()) return weights_->layers[layer + 1].attention_norm;
  return weights_->part.gives_logits ? weights_->output_norm : weights_->layers[layer].attention_norm;
}

Status Forward::record_int8_layers(CommandList& list) {
  const ModelConfig& config = model_->config();
  SAIN_RETURN_IF_ERROR(operators_.quantize(list, x_, config.d_model, weights_->layers[0].attention_norm, x8_));
  for (uint32_t layer = 0; layer < n_layers(); ++layer) {
    list.barrier();
    SAIN_RETURN_IF_ERROR(record_int8_attention(list, layer));
    list.barrier();
    SAIN_RETURN_IF_ERROR(record_int8_ffn(list, layer, next_norm_of(layer)));
  }
  if (!weights_->part.gives_logits) return {};
  list.barrier();
  return operators_.vector_product(list, {.w = &weights_->output,
                                          .x = x8_,
                                          .y = logits_,
                                          .is_normed = true,
                                          .epsilon = config.rms_epsilon,
                                          .soft_cap = config.logit_soft_cap});
}

Status Forward::record_int8_attention(CommandList& list, uint32_t layer) {
  const ModelConfig& config = model_->config();
  const DeviceLayer& w = weights_->layers[layer];
  VectorProduct product = {.x = x8_, .y = qkv_, .is_normed = true, .epsilon = config.rms_epsilon, .bias = w.qkv_bias};
  for (const auto& [matrix, offset] :
       {std::pair{&w.q, 0u}, std::pair{&w.k, config.q_dim()}, std::pair{&w.v, config.q_dim() + config.kv_dim()}}) {
    product.w = matrix;
    product.y_offset = offset;
    SAIN_RETURN_IF_ERROR(operators_.vector_product(list, product));
  }
  list.barrier();
  Attention attention = attention_of(layer, 1);
  attention.n_splits = kMostSplits;
  attention.quantized = attended8_;
  attention.counts = counts_;
  SAIN_RETURN_IF_ERROR(operators_.rope(list, attention));
  list.barrier();
  SAIN_RETURN_IF_ERROR(operators_.attention_int8(list, attention));
  list.barrier();
  return record_int8_residual(list, {.w = &w.attention_output, .x = attended8_, .bias = w.attention_output_bias},
                              w.post_attention_norm, w.ffn_norm);
}

Status Forward::record_int8_ffn(CommandList& list, uint32_t layer, const Slice& next_norm) {
  const ModelConfig& config = model_->config();
  const DeviceLayer& w = weights_->layers[layer];
  VectorProduct product = {.x = x8_, .is_normed = true, .epsilon = config.rms_epsilon, .activation = config.activation};
  if (!w.gate_up.pieces.empty()) {
    product.w = &w.gate_up;
    product.result = Product::Result::kGated;
    product.next = gate8_;
    SAIN_RETURN_IF_ERROR(operators_.vector_product(list, product));
  } else {
    product.w = &w.gate;
    product.bias = w.gate_bias;
    product.y = gate_;
    SAIN_RETURN_IF_ERROR(operators_.vector_product(list, product));
    list.barrier();
    product.w = &w.up;
    product.bias = w.up_bias;
    product.result = Product::Result::kActivate;
    product.next = gate8_;
    SAIN_RETURN_IF_ERROR(operators_.vector_product(list, product));
  }
  list.barrier();
  return record_int8_residual(list, {.w = &w.down, .x = gate8_, .bias = w.down_bias}, w.post_ffn_norm, next_norm);
}

/// As record_residual(), and x8_ for the norm that comes next.
Status Forward::record_int8_residual(CommandList& list, VectorProduct product, const Slice& post_norm,
                                     const Slice& next_norm) {
  const ModelConfig& config = model_->config();
  if (!post_norm) {
    product.y = x_;
    product.result = Product::Result::kAdd;
    product.next = x8_;
    product.next_weight = next_norm;
    return operators_.vector_product(list, product);
  }
  product.y = delta_;
  SAIN_RETURN_IF_ERROR(operators_.vector_product(list, product));
  list.barrier();
  SAIN_RETURN_IF_ERROR(operators_.rms_norm(list, {.x = delta_,
                                                  .weight = post_norm,
                                                  .y = x_,
                                                  .n = config.d_model,
                                                  .n_tokens = 1,
                                                  .epsilon = config.rms_epsilon,
                                                  .result = Norm::Result::kAdd}));
  list.barrier();
  return operators_.quantize(list, x_, config.d_model, next_norm, x8_);
}

}  // namespace sain::engine::vulkan
