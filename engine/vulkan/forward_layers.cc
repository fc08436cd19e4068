// One token's pass with all layers in one dispatch, on devices that say how many workgroups they run at once: between
// two dispatches lie some 3 us, more than most of a layer's steps take.
#include <algorithm>
#include <cstring>

#include "engine/vulkan/forward.h"

namespace sain::engine::vulkan {
namespace {

bool is_one_piece(const DeviceMatrix& w, DType dtype) {
  return w.dtype == dtype && w.pieces.size() == 1;
}

/// What layers.comp takes for granted of a layer.
bool is_plain(const DeviceLayer& w, DType dtype) {
  return is_one_piece(w.q, dtype) && is_one_piece(w.k, dtype) && is_one_piece(w.v, dtype) &&
         is_one_piece(w.attention_output, dtype) && is_one_piece(w.gate_up, dtype) && is_one_piece(w.down, dtype) &&
         !w.post_attention_norm && !w.post_ffn_norm;
}

}  // namespace

bool Forward::can_layers() const {
  const ModelConfig& config = model_->config();
  const std::vector<DeviceLayer>& layers = weights_->layers;
  const auto is_local = [](bool local) { return local; };
  return can_int8() && operators_.can_layers(layers_of()) && config.d_model % 32 == 0 && config.q_dim() % 32 == 0 &&
         config.d_ff % 32 == 0 && config.rope.rotary_dim % 16 == 0 && options_.rule.n_sinks == 0 &&
         std::ranges::none_of(config.is_local, is_local) &&
         std::ranges::all_of(layers, [&](const DeviceLayer& w) { return is_plain(w, layers[0].q.dtype); });
}

Layers Forward::layers_of() const {
  const ModelConfig& config = model_->config();
  const shaders::AttentionParameters attention = attention_of(0, 1).parameters;
  return {
      .parameters = {.layer_words = 0,
                     .n_slots = attention.n_slots,
                     .n_sinks = 0,
                     .window = attention.window,
                     .scale = attention.scale,
                     .soft_cap = attention.soft_cap,
                     .rotary_dim = attention.rotary_dim,
                     .magnitude = attention.magnitude,
                     .epsilon = attention.epsilon},
      .dtype = weights_->layers[0].q.dtype,
      .n_layers = n_layers(),
      .d_model = config.d_model,
      .d_ff = config.d_ff,
      .n_heads = config.n_heads,
      .n_kv_heads = config.n_kv_heads,
      .head_dim = config.head_dim,
      .has_head_norms = static_cast<bool>(weights_->layers[0].head_norms),
      .layout = config.rope.layout,
      .activation = config.activation,
      .state = state_,
      .addresses = addresses_,
      .exchange = exchange_,
      .x = x_,
      .frequencies = weights_->frequencies_global,
  };
}

Status Forward::place_addresses(CommandList& list) {
  std::vector<VkDeviceAddress> addresses;
  for (uint32_t layer = 0; layer < n_layers(); ++layer) {
    const DeviceLayer& w = weights_->layers[layer];
    const auto of = [](const DeviceMatrix& matrix) { return matrix.pieces[0].slice.address; };
    addresses.resize(uint64_t{layer + 1} * shaders::kTensors);
    VkDeviceAddress* const a = &addresses[uint64_t{layer} * shaders::kTensors];
    a[shaders::kTensorQ] = of(w.q);
    a[shaders::kTensorK] = of(w.k);
    a[shaders::kTensorV] = of(w.v);
    a[shaders::kTensorQkvBias] = w.qkv_bias.address;
    a[shaders::kTensorHeadNorms] = w.head_norms.address;
    a[shaders::kTensorOutput] = of(w.attention_output);
    a[shaders::kTensorOutputBias] = w.attention_output_bias.address;
    a[shaders::kTensorFfnNorm] = w.ffn_norm.address;
    a[shaders::kTensorGateUp] = of(w.gate_up);
    a[shaders::kTensorDown] = of(w.down);
    a[shaders::kTensorDownBias] = w.down_bias.address;
    a[shaders::kTensorNextNorm] = next_norm_of(layer).address;
    a[shaders::kTensorCache] = caches_[layer].address;
  }
  SAIN_ASSIGN_OR_RETURN(const Slice in, to_device_.allocate(addresses_.bytes));
  std::memcpy(in.mapped, addresses.data(), in.bytes);
  list.copy(in, addresses_);
  return {};
}

/// As record_int8_layers(), and x_ is not there yet: nothing else is to run before what is exchanged has been cleared.
Status Forward::record_whole_layers(CommandList& list) {
  const ModelConfig& config = model_->config();
  const Layers layers = layers_of();
  const uint64_t first = quantized_bytes(config.d_model);
  SAIN_RETURN_IF_ERROR(
      operators_.quantize(list, x_, config.d_model, weights_->layers[0].attention_norm, exchange_.part(0, first)));
  list.barrier();
  SAIN_RETURN_IF_ERROR(operators_.layers(list, layers));
  if (!weights_->part.gives_logits) return {};
  list.barrier();
  return operators_.vector_product(
      list, {.w = &weights_->output,
             .x = exchange_.part(uint64_t{operators_.layer_words(layers)} * 4 * n_layers(), first),
             .y = logits_,
             .is_normed = true,
             .epsilon = config.rms_epsilon,
             .soft_cap = config.logit_soft_cap});
}

/// Some workgroups have waited for others that do not run beside them: from now on layers are dispatches of their own.
Status Forward::leave_whole_layers() {
  is_whole_ = false;
  for (const bool brings_logits : {false, true}) append_lists_.erase({1, brings_logits});
  for (Decode& decode : decodes_) decode.lists = {};
  return record_decode();
}

}  // namespace sain::engine::vulkan
