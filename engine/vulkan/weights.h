// A model's weights on a device.
#pragma once

#include <vector>

#include "engine/model.h"
#include "engine/vulkan/matrix.h"

namespace sain::engine::vulkan {

/// Those of engine/weights.h; slices of vectors are f32, and empty where a model has none.
struct DeviceLayer {
  Slice attention_norm = {};
  DeviceMatrix q = {}, k = {}, v = {};
  Slice qkv_bias = {};    // (q_dim + 2 kv_dim)
  Slice head_norms = {};  // (2, head_dim): of q and of k
  DeviceMatrix attention_output = {};
  Slice attention_output_bias = {}, post_attention_norm = {};
  Slice ffn_norm = {};
  DeviceMatrix gate_up = {};        // interleaved; none (no pieces) where the two differ in type or have biases
  DeviceMatrix gate = {}, up = {};  // otherwise
  Slice gate_bias = {}, up_bias = {};
  DeviceMatrix down = {};
  Slice down_bias = {}, post_ffn_norm = {};
};

/// What a device computes of a model: some of the layers, and what is before the first and after the last one.
struct ModelPart {
  uint32_t begin = 0, end = 0;  // layers
  bool takes_tokens = false;    // it has the embedding, and begins with layer 0
  bool gives_logits = false;    // it has the output, and ends with the last layer

  static ModelPart whole(const ModelConfig& config) { return {0, config.n_layers, true, true}; }
  bool is_whole() const { return takes_tokens && gives_logits; }
};

/// Bytes of a part's weights on a device, about.
uint64_t part_bytes(const Weights& weights, const ModelPart& part);

/// Owns its memory, which is given back when it dies; the device must have finished with it.
class DeviceWeights {
 public:
  /// Errors: kResourceExhausted (the device has no room), kUnsupported, kCancelled, what Vulkan says.
  static Result<DeviceWeights> load(Device& device, Uploader& uploader, const Model& model, const ModelPart& part);

  ModelPart part;
  DeviceMatrix token_embedding;     // of the output, where the two are tied; only where the part takes tokens
  std::vector<DeviceLayer> layers;  // of the part
  Slice output_norm;                // this and the next only where the part gives logits
  DeviceMatrix output;
  Slice frequencies_global, frequencies_local;  // rope_frequencies(); the latter only with local layers
  float magnitude_global = 1, magnitude_local = 1;

  /// Whether all matrices that are multiplied with are of quantized types.
  bool is_quantized() const;
  uint64_t bytes() const { return arena_.bytes(); }

 private:
  explicit DeviceWeights(Arena arena) : arena_(std::move(arena)) {}
  Arena arena_;
};

}  // namespace sain::engine::vulkan
