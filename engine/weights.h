// The tensors of a model, found by name and checked against its configuration.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "engine/model_config.h"
#include "formats/gguf.h"
#include "formats/result.h"
#include "kernels/dtype.h"

namespace sain::engine {

/// A quantized or float matrix as the file stores it: `rows` outputs by `cols` inputs, row-major. data may be null
/// where a model has no such tensor.
struct WeightMatrix {
  std::string_view name;  // in the file
  const std::byte* data = nullptr;
  const std::byte* packed = nullptr;  // the same in groups of kernels/packed.h, or null: see PackedWeights
  DType dtype = DType::kF32;
  size_t rows = 0;
  size_t cols = 0;

  explicit operator bool() const { return data != nullptr; }
  const std::byte* row(size_t r) const { return data + r * row_bytes(dtype, cols); }
};

/// An f32 vector (norm weights, biases); empty where a model has none. Decoded at load.
using WeightVector = std::vector<float>;

struct LayerWeights {
  WeightVector attention_norm;  // (d_model)
  WeightMatrix q, k, v;         // (q_dim, d_model), (kv_dim, d_model) twice
  WeightVector q_bias, k_bias, v_bias;
  WeightVector q_norm, k_norm;    // (head_dim)
  WeightMatrix attention_output;  // (d_model, q_dim)
  WeightVector attention_output_bias;
  WeightVector post_attention_norm;  // (d_model), gemma
  WeightVector ffn_norm;             // (d_model)
  WeightMatrix gate, up;             // (d_ff, d_model)
  WeightMatrix down;                 // (d_model, d_ff)
  WeightVector gate_bias, up_bias;   // (d_ff)
  WeightVector down_bias;            // (d_model)
  WeightVector post_ffn_norm;        // (d_model), gemma
};

struct Weights {
  WeightMatrix token_embedding;  // (vocab_size, d_model); packed only where the output is
  std::vector<LayerWeights> layers;
  WeightVector output_norm;   // (d_model)
  WeightMatrix output;        // (vocab_size, d_model); the embedding again where the two are tied
  WeightVector rope_factors;  // (rotary_dim / 2): divisors of the frequencies; empty where there are none
  size_t bytes = 0;           // of all tensors in use

  /// Calls f(WeightMatrix&) for each matrix that is multiplied with: all but an embedding that is not the output too.
  template <class F>
  void for_each_matrix(F&& f) {
    for_each_matrix_of(*this, f);
  }
  template <class F>
  void for_each_matrix(F&& f) const {
    for_each_matrix_of(*this, f);
  }

  /// Matrices point into `file`. Errors: kNotFound (a tensor is missing), kCorrupt (its shape is not what `config`
  /// says), kUnsupported (its type cannot be used there; a tensor of the text model that nothing here would use).
  static Result<Weights> from_file(const formats::GgufFile& file, const ModelConfig& config);

 private:
  template <class W, class F>
  static void for_each_matrix_of(W& weights, F& f) {
    for (auto& layer : weights.layers) {
      for (auto* m : {&layer.q, &layer.k, &layer.v, &layer.attention_output, &layer.gate, &layer.up, &layer.down}) {
        f(*m);
      }
    }
    f(weights.output);
  }
};

}  // namespace sain::engine
