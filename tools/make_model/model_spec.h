// What a synthetic model is: dimensions, the type of its weights, the seed; presets for the sizes that benches use.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "formats/result.h"
#include "kernels/dtype.h"

namespace sain::tools {

/// Zero means: not said. with_defaults() fills in what follows from the rest.
struct ModelSpec {
  std::string arch = "llama";
  uint32_t n_layers = 0;
  uint32_t d_model = 0;
  uint32_t d_ff = 0;
  uint32_t n_heads = 0;
  uint32_t n_kv_heads = 0;      // default: n_heads
  uint32_t head_dim = 0;        // default: d_model / n_heads
  uint32_t vocab_size = 0;      // default: 32000
  uint32_t context_length = 0;  // default: 131072, so that benches may go as far as memory does
  bool tied = false;            // the embedding is the output matrix too
  std::string type = "q4_0";    // of the matrices: a name of weight_types()
  uint64_t seed = 1;

  uint32_t q_dim() const { return n_heads * head_dim; }
  uint32_t kv_dim() const { return n_kv_heads * head_dim; }
};

struct ModelPreset {
  std::string_view name;
  ModelSpec spec;
};
std::span<const ModelPreset> model_presets();

/// Dimensions given in `spec` stand; those that are not come from `preset` (a name of model_presets(), or empty), then
/// from the defaults. Errors: kInvalidArgument naming the flag of `sain make-model` and its value.
Result<ModelSpec> with_defaults(const ModelSpec& spec, std::string_view preset);

/// Types of weights by the names that quantizers give them: one type for every matrix, or a mix.
struct WeightType {
  std::string_view name;    // "q4_0", "q4_k_m", ...
  DType dtype;              // of most matrices
  bool is_mix;              // "..._m": attn_v and ffn_down of some layers, and the output, are Q6_K
  uint32_t gguf_file_type;  // `general.file_type`
};
std::span<const WeightType> weight_types();
const WeightType* find_weight_type(std::string_view name);

enum class MatrixRole { kEmbedding, kOutput, kAttentionValue, kFfnDown, kOther };

/// The type of one matrix of `cols` columns. Mixes give the layers at both ends, and every third between, more bits,
/// as quantizers do; where rows are no multiple of 256 a mix falls back to types of 32: Q4_K to Q5_0, Q5_K to Q5_1,
/// Q6_K to Q8_0.
DType matrix_dtype(const WeightType& type, MatrixRole role, uint32_t layer, uint32_t n_layers, uint32_t cols);

}  // namespace sain::tools
