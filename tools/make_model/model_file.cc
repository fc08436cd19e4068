#include "tools/make_model/model_file.h"

#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "tools/make_model/random_row.h"
#include "tools/make_model/synthetic_tokenizer.h"

namespace sain::tools {
namespace {

/// Adds tensors in the order of the file; that order numbers their random streams.
class Tensors {
 public:
  Tensors(const ModelSpec& spec, engine::ThreadPool& pool, formats::GgufWriter& writer)
      : spec_(spec), type_(*find_weight_type(spec.type)), pool_(&pool), writer_(writer) {}

  void matrix(const std::string& name, uint32_t rows, uint32_t cols, MatrixRole role = MatrixRole::kOther,
              uint32_t layer = 0) {
    const DType dtype = matrix_dtype(type_, role, layer, spec_.n_layers, cols);
    const float deviation = 1 / std::sqrt(static_cast<float>(cols));
    writer_.add_tensor(name, dtype, {cols, rows},
                       [dtype, deviation, bytes = row_bytes(dtype, cols), pool = pool_, seed = spec_.seed,
                        tensor = n_matrices_](uint64_t first_row, std::span<std::byte> out) {
                         constexpr size_t kGrain = 8;  // rows a task: some 10 KB
                         pool->parallel_for(out.size() / bytes, kGrain, [&](unsigned, size_t begin, size_t end) {
                           for (size_t r = begin; r < end; ++r) {
                             fill_random_row(dtype, deviation, row_seed(seed, tensor, first_row + r),
                                             out.subspan(r * bytes, bytes));
                           }
                         });
                       });
    ++n_matrices_;
  }
  void vector(const std::string& name, uint32_t n, float value) {
    writer_.add_tensor(name, {n}, std::vector<float>(n, value));
  }

 private:
  const ModelSpec& spec_;
  const WeightType& type_;
  engine::ThreadPool* pool_;
  formats::GgufWriter& writer_;
  uint64_t n_matrices_ = 0;
};

void set_metadata(const ModelSpec& spec, formats::GgufWriter& writer) {
  const auto set = [&](const char* key, const auto& value) { writer.set(spec.arch + "." + key, value); };
  writer.set("general.architecture", spec.arch);
  writer.set("general.name", fmt::format("synthetic {} {}x{} {} seed {}", spec.arch, spec.n_layers, spec.d_model,
                                         spec.type, spec.seed));
  writer.set("general.file_type", find_weight_type(spec.type)->gguf_file_type);
  writer.set("general.quantization_version", uint32_t{2});  // of the K types' layouts: the only one in use
  set("block_count", spec.n_layers);
  set("context_length", spec.context_length);
  set("embedding_length", spec.d_model);
  set("feed_forward_length", spec.d_ff);
  set("attention.head_count", spec.n_heads);
  set("attention.head_count_kv", spec.n_kv_heads);
  set("attention.key_length", spec.head_dim);
  set("attention.value_length", spec.head_dim);
  set("attention.layer_norm_rms_epsilon", 1e-5f);
  set("rope.dimension_count", spec.head_dim);
  set("rope.freq_base", 10000.0f);
  set("vocab_size", spec.vocab_size);
  if (spec.arch == "gemma3") set("attention.sliding_window", uint32_t{512});
}

void add_layer(const ModelSpec& spec, uint32_t l, Tensors& tensors) {
  const bool is_gemma = spec.arch == "gemma3";
  const auto name = [l](const char* tensor) { return fmt::format("blk.{}.{}", l, tensor); };
  tensors.vector(name("attn_norm.weight"), spec.d_model, 1);
  tensors.matrix(name("attn_q.weight"), spec.q_dim(), spec.d_model);
  tensors.matrix(name("attn_k.weight"), spec.kv_dim(), spec.d_model);
  tensors.matrix(name("attn_v.weight"), spec.kv_dim(), spec.d_model, MatrixRole::kAttentionValue, l);
  if (spec.arch == "qwen2") {
    tensors.vector(name("attn_q.bias"), spec.q_dim(), 0);
    tensors.vector(name("attn_k.bias"), spec.kv_dim(), 0);
    tensors.vector(name("attn_v.bias"), spec.kv_dim(), 0);
  }
  if (spec.arch == "qwen3" || is_gemma) {
    tensors.vector(name("attn_q_norm.weight"), spec.head_dim, 1);
    tensors.vector(name("attn_k_norm.weight"), spec.head_dim, 1);
  }
  tensors.matrix(name("attn_output.weight"), spec.d_model, spec.q_dim());
  if (is_gemma) tensors.vector(name("post_attention_norm.weight"), spec.d_model, 1);
  tensors.vector(name("ffn_norm.weight"), spec.d_model, 1);
  tensors.matrix(name("ffn_gate.weight"), spec.d_ff, spec.d_model);
  tensors.matrix(name("ffn_up.weight"), spec.d_ff, spec.d_model);
  tensors.matrix(name("ffn_down.weight"), spec.d_model, spec.d_ff, MatrixRole::kFfnDown, l);
  if (is_gemma) tensors.vector(name("post_ffw_norm.weight"), spec.d_model, 1);
}

}  // namespace

formats::GgufWriter synthetic_model(const ModelSpec& spec, engine::ThreadPool& pool) {
  formats::GgufWriter writer;
  set_metadata(spec, writer);
  set_synthetic_tokenizer(spec.vocab_size, writer);
  Tensors tensors(spec, pool, writer);
  // A tied embedding is the output too, and gets its type.
  tensors.matrix("token_embd.weight", spec.vocab_size, spec.d_model,
                 spec.tied ? MatrixRole::kOutput : MatrixRole::kEmbedding);
  for (uint32_t l = 0; l < spec.n_layers; ++l) add_layer(spec, l, tensors);
  tensors.vector("output_norm.weight", spec.d_model, 1);
  if (!spec.tied) tensors.matrix("output.weight", spec.vocab_size, spec.d_model, MatrixRole::kOutput);
  return writer;
}

}  // namespace sain::tools
