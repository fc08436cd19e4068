#include "engine/weights.h"

#include <string>

#include "engine/tensor_loader.h"
#include "formats/gguf_text.h"

namespace sain::engine {
namespace {

using formats::GgufFile;

Status load_layer(TensorLoader& loader, const ModelConfig& config, uint32_t index, LayerWeights& layer) {
  const auto name = [index](const char* tensor) { return fmt::format("blk.{}.{}", index, tensor); };
  const bool is_gemma = config.architecture == Architecture::kGemma2 || config.architecture == Architecture::kGemma3;
  const bool has_qk_norm = config.architecture == Architecture::kQwen3 || config.architecture == Architecture::kGemma3;
  const Presence qk_norm = has_qk_norm ? Presence::kRequired : Presence::kOptional;
  const Presence post_norm = is_gemma ? Presence::kRequired : Presence::kOptional;
  const size_t d_model = config.d_model, q_dim = config.q_dim(), kv_dim = config.kv_dim(), d_ff = config.d_ff;

  SAIN_RETURN_IF_ERROR(loader.vector(name("attn_norm.weight"), d_model, layer.attention_norm));
  SAIN_RETURN_IF_ERROR(loader.matrix(name("attn_q.weight"), q_dim, d_model, layer.q));
  SAIN_RETURN_IF_ERROR(loader.matrix(name("attn_k.weight"), kv_dim, d_model, layer.k));
  SAIN_RETURN_IF_ERROR(loader.matrix(name("attn_v.weight"), kv_dim, d_model, layer.v));
  SAIN_RETURN_IF_ERROR(loader.vector(name("attn_q.bias"), q_dim, layer.q_bias, Presence::kOptional));
  SAIN_RETURN_IF_ERROR(loader.vector(name("attn_k.bias"), kv_dim, layer.k_bias, Presence::kOptional));
  SAIN_RETURN_IF_ERROR(loader.vector(name("attn_v.bias"), kv_dim, layer.v_bias, Presence::kOptional));
  SAIN_RETURN_IF_ERROR(loader.vector(name("attn_q_norm.weight"), config.head_dim, layer.q_norm, qk_norm));
  SAIN_RETURN_IF_ERROR(loader.vector(name("attn_k_norm.weight"), config.head_dim, layer.k_norm, qk_norm));
  SAIN_RETURN_IF_ERROR(loader.matrix(name("attn_output.weight"), d_model, q_dim, layer.attention_output));
  SAIN_RETURN_IF_ERROR(
      loader.vector(name("attn_output.bias"), d_model, layer.attention_output_bias, Presence::kOptional));
  SAIN_RETURN_IF_ERROR(
      loader.vector(name("post_attention_norm.weight"), d_model, layer.post_attention_norm, post_norm));
  SAIN_RETURN_IF_ERROR(loader.vector(name("ffn_norm.weight"), d_model, layer.ffn_norm));
  SAIN_RETURN_IF_ERROR(loader.matrix(name("ffn_gate.weight"), d_ff, d_model, layer.gate));
  SAIN_RETURN_IF_ERROR(loader.matrix(name("ffn_up.weight"), d_ff, d_model, layer.up));
  SAIN_RETURN_IF_ERROR(loader.matrix(name("ffn_down.weight"), d_model, d_ff, layer.down));
  SAIN_RETURN_IF_ERROR(loader.vector(name("ffn_gate.bias"), d_ff, layer.gate_bias, Presence::kOptional));
  SAIN_RETURN_IF_ERROR(loader.vector(name("ffn_up.bias"), d_ff, layer.up_bias, Presence::kOptional));
  SAIN_RETURN_IF_ERROR(loader.vector(name("ffn_down.bias"), d_model, layer.down_bias, Presence::kOptional));
  return loader.vector(name("post_ffw_norm.weight"), d_model, layer.post_ffn_norm, post_norm);
}

/// A tensor that belongs to the text model and was never asked for: without it the answers would be wrong, and nobody
/// would know. Others, such as those of a picture encoder, are left alone.
Status check_all_used(const GgufFile& file, const TensorLoader& loader) {
  for (const formats::TensorInfo& tensor : file.tensors()) {
    const bool is_text = tensor.name.starts_with("blk.") || tensor.name.starts_with("output") ||
                         tensor.name.starts_with("token_embd") || tensor.name.starts_with("rope_");
    if (!is_text || loader.is_used(tensor.name)) continue;
    return make_error(ErrorCode::kUnsupported, "{}: tensor {}: expected no such tensor in this architecture",
                      file.path().string(), formats::quote(tensor.name));
  }
  return {};
}

}  // namespace

Result<Weights> Weights::from_file(const GgufFile& file, const ModelConfig& config) {
  Weights weights;
  TensorLoader loader(file, weights.bytes);
  SAIN_RETURN_IF_ERROR(loader.matrix("token_embd.weight", config.vocab_size, config.d_model, weights.token_embedding));
  weights.layers.resize(config.n_layers);
  for (uint32_t l = 0; l < config.n_layers; ++l) {
    SAIN_RETURN_IF_ERROR(load_layer(loader, config, l, weights.layers[l]));
  }
  SAIN_RETURN_IF_ERROR(loader.vector("output_norm.weight", config.d_model, weights.output_norm));
  SAIN_RETURN_IF_ERROR(
      loader.matrix("output.weight", config.vocab_size, config.d_model, weights.output, Presence::kOptional));
  if (!weights.output) weights.output = weights.token_embedding;
  SAIN_RETURN_IF_ERROR(
      loader.vector("rope_freqs.weight", config.rope.rotary_dim / 2, weights.rope_factors, Presence::kOptional));
  for (const float factor : weights.rope_factors) {
    if (factor <= 0) {
      return make_error(ErrorCode::kCorrupt, "{}: tensor rope_freqs.weight: expected positive factors, found {}",
                        file.path().string(), factor);
    }
  }
  SAIN_RETURN_IF_ERROR(check_all_used(file, loader));
  return weights;
}

}  // namespace sain::engine
