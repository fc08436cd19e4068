#include "engine/vulkan/weights.h"

#include <algorithm>
#include <array>

#include "engine/rope_table.h"
#include "engine/vulkan/operators.h"
#include "kernels/packed.h"

namespace sain::engine::vulkan {
namespace {

/// Gate and up as one matrix: one product computes both, and what becomes of them.
bool can_interleave(const LayerWeights& w) {
  return device_type(w.gate.dtype) == device_type(w.up.dtype) && w.gate_bias.empty() && w.up_bias.empty();
}

/// Whether the embedding is the output's matrix too.
bool is_tied(const Weights& weights) {
  return weights.token_embedding.data == weights.output.data;
}

/// Places one thing after another. When it dies nothing is under way: memory that was taken may go then.
class Placer {
 public:
  Placer(const Device& device, Arena& arena, Uploader& uploader, const Model& model)
      : device_(&device), arena_(&arena), uploader_(&uploader), model_(&model) {}

  ~Placer() { (void)uploader_->finish(); }
  Placer(const Placer&) = delete;

  Status matrix(std::initializer_list<const WeightMatrix*> matrices, DeviceMatrix& placed) {
    SAIN_ASSIGN_OR_RETURN(placed, place(device_->capabilities().piece_bytes(), *arena_, *uploader_,
                                        model_->kernels().dequantize, pool_, {matrices.begin(), matrices.size()}));
    return {};
  }

  template <class T>
  Status vector(const std::vector<T>& values, Slice& placed) {
    if (values.empty()) return {};
    SAIN_ASSIGN_OR_RETURN(placed, arena_->allocate(values.size() * sizeof(T)));
    return uploader_->write(placed, std::as_bytes(std::span(values)));
  }

  /// One after the other, zeros for those that are missing; none where all are.
  Status joined(std::initializer_list<std::pair<const WeightVector*, size_t>> vectors, Slice& placed) {
    WeightVector all;
    bool has_any = false;
    for (const auto& [values, n] : vectors) {
      has_any = has_any || !values->empty();
      all.insert(all.end(), values->begin(), values->end());
      all.resize(all.size() + n - values->size());
    }
    return has_any ? vector(all, placed) : Status();
  }

 private:
  const Device* device_;
  Arena* arena_;
  Uploader* uploader_;
  const Model* model_;
  ThreadPool pool_;
};

Status place_layer(Placer& place, const ModelConfig& config, const LayerWeights& w, DeviceLayer& layer) {
  SAIN_RETURN_IF_ERROR(place.vector(w.attention_norm, layer.attention_norm));
  SAIN_RETURN_IF_ERROR(place.matrix({&w.q}, layer.q));
  SAIN_RETURN_IF_ERROR(place.matrix({&w.k}, layer.k));
  SAIN_RETURN_IF_ERROR(place.matrix({&w.v}, layer.v));
  SAIN_RETURN_IF_ERROR(place.joined(
      {{&w.q_bias, config.q_dim()}, {&w.k_bias, config.kv_dim()}, {&w.v_bias, config.kv_dim()}}, layer.qkv_bias));
  if (w.q_norm.empty() != w.k_norm.empty()) {
    return make_error(ErrorCode::kUnsupported, "vulkan: {}: a norm of q or of k alone", w.q.name);
  }
  SAIN_RETURN_IF_ERROR(place.joined({{&w.q_norm, w.q_norm.size()}, {&w.k_norm, w.k_norm.size()}}, layer.head_norms));
  SAIN_RETURN_IF_ERROR(place.matrix({&w.attention_output}, layer.attention_output));
  SAIN_RETURN_IF_ERROR(place.vector(w.attention_output_bias, layer.attention_output_bias));
  SAIN_RETURN_IF_ERROR(place.vector(w.post_attention_norm, layer.post_attention_norm));
  SAIN_RETURN_IF_ERROR(place.vector(w.ffn_norm, layer.ffn_norm));
  if (can_interleave(w)) {
    SAIN_RETURN_IF_ERROR(place.matrix({&w.gate, &w.up}, layer.gate_up));
  } else {
    SAIN_RETURN_IF_ERROR(place.matrix({&w.gate}, layer.gate));
    SAIN_RETURN_IF_ERROR(place.matrix({&w.up}, layer.up));
    SAIN_RETURN_IF_ERROR(place.vector(w.gate_bias, layer.gate_bias));
    SAIN_RETURN_IF_ERROR(place.vector(w.up_bias, layer.up_bias));
  }
  SAIN_RETURN_IF_ERROR(place.matrix({&w.down}, layer.down));
  SAIN_RETURN_IF_ERROR(place.vector(w.down_bias, layer.down_bias));
  return place.vector(w.post_ffn_norm, layer.post_ffn_norm);
}

}  // namespace

uint64_t part_bytes(const Weights& weights, const ModelPart& part) {
  constexpr uint64_t kVectors = uint64_t{1} << 20;  // norms, biases, frequencies: beside the matrices, little
  uint64_t bytes = kVectors;
  for (uint32_t layer = part.begin; layer < part.end; ++layer) {
    const LayerWeights& w = weights.layers[layer];
    for (const WeightMatrix* m : {&w.q, &w.k, &w.v, &w.attention_output, &w.gate, &w.up, &w.down}) {
      bytes += device_matrix_bytes(*m);
    }
  }
  if (part.gives_logits) bytes += device_matrix_bytes(weights.output);
  if (part.takes_tokens && !(part.gives_logits && is_tied(weights))) {
    bytes += device_matrix_bytes(weights.token_embedding);
  }
  return bytes;
}

bool DeviceWeights::is_quantized() const {
  const auto is = [](const DeviceMatrix& w) { return w.pieces.empty() || kernels::is_packable(w.dtype); };
  return is(output) && std::ranges::all_of(layers, [&](const DeviceLayer& w) {
           return is(w.q) && is(w.k) && is(w.v) && is(w.attention_output) && is(w.gate_up) && is(w.gate) && is(w.up) &&
                  is(w.down);
         });
}

Result<DeviceWeights> DeviceWeights::load(Device& device, Uploader& uploader, const Model& model,
                                          const ModelPart& part) {
  const ModelConfig& config = model.config();
  const Weights& weights = model.weights();
  const uint64_t expected = part_bytes(weights, part);
  if (const uint64_t free_bytes = device.free_bytes(); expected > free_bytes) {
    return make_error(ErrorCode::kResourceExhausted, "vulkan: {}: the weights take {} bytes, and {} can be had",
                      device.info().name, expected, free_bytes);
  }
  uploader.expect(expected);
  DeviceWeights placed(Arena(device, MemoryKind::kWeights, expected));
  placed.part = part;
  Placer place(device, placed.arena_, uploader, model);
  for (uint32_t layer = part.begin; layer < part.end; ++layer) {
    SAIN_RETURN_IF_ERROR(place_layer(place, config, weights.layers[layer], placed.layers.emplace_back()));
  }
  if (part.gives_logits) {
    SAIN_RETURN_IF_ERROR(place.vector(weights.output_norm, placed.output_norm));
    SAIN_RETURN_IF_ERROR(place.matrix({&weights.output}, placed.output));
  }
  if (part.takes_tokens && part.gives_logits && is_tied(weights)) {
    placed.token_embedding = placed.output;
  } else if (part.takes_tokens) {
    SAIN_RETURN_IF_ERROR(place.matrix({&weights.token_embedding}, placed.token_embedding));
  }
  const RopeTable global(config.rope, RopeKind::kGlobal, weights.rope_factors);
  placed.magnitude_global = static_cast<float>(global.magnitude());
  SAIN_RETURN_IF_ERROR(place.vector(rope_frequencies(global.frequencies()), placed.frequencies_global));
  if (config.sliding_window != 0) {
    const RopeTable local(config.rope, RopeKind::kLocal, {});
    placed.magnitude_local = static_cast<float>(local.magnitude());
    SAIN_RETURN_IF_ERROR(place.vector(rope_frequencies(local.frequencies()), placed.frequencies_local));
  }
  SAIN_RETURN_IF_ERROR(uploader.finish());
  return placed;
}

}  // namespace sain::engine::vulkan
