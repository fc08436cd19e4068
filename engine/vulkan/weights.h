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

/// Owns its memory, which is given back when it dies; the device must have finished with it.
class DeviceWeights {
 public:
  /// Errors: kResourceExhausted (the device has no room, or they are more than `max_bytes`), kUnsupported, kCancelled,
  /// what Vulkan says.
  static Result<DeviceWeights> load(Device& device, Uploader& uploader, const Model& model,
                                    uint64_t max_bytes = UINT64_MAX);

  /// About what these would take.
  static uint64_t expected_bytes(const Weights& weights);

  DeviceMatrix token_embedding;  // of the output, where the two are tied
  std::vector<DeviceLayer> layers;
  Slice output_norm;
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
