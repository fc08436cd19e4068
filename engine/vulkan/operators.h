// The shaders as functions: each records one operator of the forward pass, in the variant and workgroups that suit the
// device. Formulas, and how buffers lie, are at the head of the .comp of the same name.
#pragma once

#include <cstdint>
#include <optional>

#include "engine/model_config.h"
#include "engine/vulkan/command_list.h"
#include "engine/vulkan/matrix.h"
#include "shaders/interface.h"

namespace sain::engine::vulkan {

/// product.comp
struct Product {
  enum class Result : uint32_t {
    kStore = shaders::kStore,
    kAdd = shaders::kAdd,
    kGated = shaders::kGated,  // `w` is gate and up, interleaved
    kActivate = shaders::kActivate,
  };
  const DeviceMatrix* w = nullptr;
  Slice x = {};  // (n_tokens, cols)
  Slice y = {};  // (n_tokens, y_stride), of which the columns from y_offset on are written
  uint32_t y_stride = 0, y_offset = 0;
  uint32_t n_tokens = 1;
  Slice norm = {};    // (cols): x is normalised first; none where it is empty
  float epsilon = 0;  // of the norm
  Slice bias = {};    // (y_stride)
  Result result = Result::kStore;
  Activation activation = Activation::kSilu;
  float soft_cap = 0;
};

/// Tokens of what product_matrix() and attention_matrix() read and write: n_tokens rounded up to a multiple of this.
constexpr uint32_t kMatrixTokens = 128;

/// vector_product.comp: a product with one token's x in 8 bits, on devices with Capabilities::int8(). `w` is of a
/// quantized type.
struct VectorProduct {
  const DeviceMatrix* w = nullptr;
  Slice x = {};  // quantized_bytes(cols)
  Slice y = {};  // written from y_offset on; none where `next` is all that is wanted of kGated
  uint32_t y_offset = 0;
  bool is_normed = false;  // x is divided by the root mean square of what it was made of
  float epsilon = 0;       // of that
  Slice bias = {};         // as y
  Product::Result result = Product::Result::kStore;
  Activation activation = Activation::kSilu;
  float soft_cap = 0;
  Slice next = {};         // quantized_bytes(rows): y times next_weight, in 8 bits; none where it is empty
  Slice next_weight = {};  // (rows)
};

/// Bytes of a vector in 8 bits.
constexpr uint64_t quantized_bytes(uint32_t n) {
  return uint64_t{n} / shaders::kQuantizedBlock * shaders::kQuantizedWords * 4;
}

/// rms_norm.comp
struct Norm {
  enum class Result { kStore, kAdd, kHalves };  // the last: y is f16
  Slice x = {};                                 // (n_tokens, n)
  Slice weight = {};
  Slice y = {};  // (n_tokens, n)
  uint32_t n = 0, n_tokens = 1;
  float epsilon = 0;
  Result result = Result::kStore;
};

/// rope.comp, attention.comp and attention_merge.comp: from q, k and v to what the heads have attended to.
struct Attention {
  shaders::AttentionParameters parameters = {};
  uint32_t head_dim = 0;
  RopeLayout layout = RopeLayout::kHalves;
  Slice state = {};
  Slice qkv = {};          // (n_tokens, q_dim + 2 kv_dim)
  Slice q = {};            // (2, n_tokens, q_dim): scratch
  Slice frequencies = {};  // see rope_frequencies()
  Slice cache = {};        // kv_cache_bytes()
  Slice head_norms = {};   // (2, head_dim); none where it is empty
  Slice out = {};          // (n_tokens, q_dim)
  Slice parts = {};        // (n_tokens, n_heads, n_splits, head_dim + 2), scratch; only with several splits
  uint32_t n_splits = 1;   // of the positions, for devices with more to do than one workgroup a head
  Slice quantized = {};    // instead of `out`: quantized_bytes(q_dim); this and the next for attention_int8() alone
  Slice counts = {};       // (n_heads) of zeros, scratch
};

/// sample_top_k.comp and sample_all.comp: the next token, drawn.
struct Sample {
  Slice values = {};  // (n)
  uint32_t n = 0;
  uint32_t n_tokens = 1;  // that `state` moves on by; 0: the newest token is chosen anew
  Slice pairs = {};       // Operators::sample_bytes(): scratch
  Slice tokens = {};      // [0] becomes the token
  Slice state = {};
  Slice sampling = {};  // SamplingState
};

/// layers.comp: all layers of one token's pass.
struct Layers {
  shaders::LayersParameters parameters = {};  // but for layer_words
  DType dtype = DType::kF32;                  // of all matrices
  uint32_t n_layers = 0, d_model = 0, d_ff = 0, n_heads = 0, n_kv_heads = 0, head_dim = 0;
  bool has_head_norms = false;
  RopeLayout layout = RopeLayout::kHalves;
  Activation activation = Activation::kSilu;
  Slice state = {};
  Slice addresses = {};  // (n_layers, shaders::kTensors)
  Slice exchange = {};   // exchange_bytes(), all words kMissing but the first layer's input
  Slice x = {};          // (d_model): the residual stream
  Slice frequencies = {};
};

/// Bytes of a layer's cache.
uint64_t kv_cache_bytes(uint32_t n_kv_heads, uint32_t n_slots, uint32_t head_dim);

/// Radians a position as fractions of a turn in 64 bits, high half first.
std::vector<uint32_t> rope_frequencies(std::span<const double> radians);

/// Refers to the device and its pipelines.
class Operators {
 public:
  Operators(const Device& device, Pipelines& pipelines) : device_(&device), pipelines_(&pipelines) {}

  Status product(CommandList& list, const Product& args);
  /// The same on devices that can_matrix(), of x in f16 and with room for kMatrixTokens; y is f16 too if `has_halves`.
  /// Rows are a multiple of 16, columns of 32; no norm, no cap.
  Status product_matrix(CommandList& list, const Product& args, bool has_halves);
  bool can_matrix() const;
  /// y (n) is x (n) in f16; n a multiple of 4.
  Status halve(CommandList& list, const Slice& x, uint32_t n, const Slice& y);
  Status vector_product(CommandList& list, const VectorProduct& args);
  /// `quantized` (quantized_bytes(n)) is x (n) times `weight`, if there is one. Devices with Capabilities::int8().
  Status quantize(CommandList& list, const Slice& x, uint32_t n, const Slice& weight, const Slice& quantized);
  Status rms_norm(CommandList& list, const Norm& args);
  /// x (n_tokens, embedding.cols) of tokens (n_tokens).
  Status embed(CommandList& list, const DeviceMatrix& embedding, float scale, const Slice& tokens, uint32_t n_tokens,
               const Slice& x);
  Status rope(CommandList& list, const Attention& args);
  Status attention(CommandList& list, const Attention& args);
  /// Of one token, on devices with Capabilities::int8(); head_dim is a multiple of 16.
  Status attention_int8(CommandList& list, const Attention& args);
  /// With `out` in f16 and room for kMatrixTokens, on devices that can_matrix(), without sinks; head_dim and slots are
  /// multiples of 16.
  Status attention_matrix(CommandList& list, const Attention& args);
  /// Only if can_layers(); dimensions are multiples of 32, and head_dim of 16.
  Status layers(CommandList& list, const Layers& args);
  bool can_layers(const Layers& args) const { return layers_shape(args).has_value(); }
  /// From one layer to the next in the exchange, and in all.
  uint32_t layer_words(const Layers& args) const;
  uint64_t exchange_bytes(const Layers& args) const;
  /// `pairs` has argmax_bytes(). The token goes to tokens[0], and `state` moves on by n_tokens.
  Status argmax(CommandList& list, const Slice& values, uint32_t n, uint32_t n_tokens, const Slice& pairs,
                const Slice& tokens, const Slice& state);
  static uint64_t argmax_bytes() { return uint64_t{kArgmaxGroups} * 8; }
  Status sample_top_k(CommandList& list, const Sample& args);
  /// Without top_k and top_p.
  Status sample_all(CommandList& list, const Sample& args);
  static uint64_t sample_bytes() { return uint64_t{kSampleGroups} * shaders::kMostTopK * 8; }

 private:
  static constexpr uint32_t kArgmaxGroups = 64, kSampleGroups = 64;
  static constexpr uint32_t kAttentionSize = 256, kManyVectorGroups = 512;

  Status sample(CommandList& list, std::string_view shader, uint32_t n_stages, const Sample& args);
  template <class Parameters>
  Status dispatch(CommandList& list, std::string_view shader, std::initializer_list<uint32_t> constants,
                  std::initializer_list<Slice> bindings, const Parameters& parameters, Grid grid);
  /// Specialization constants of layers.comp.
  struct LayersShape {
    uint32_t size, n_subgroups, n_crews, n_groups, lanes;
  };
  std::optional<LayersShape> layers_shape(const Layers& args) const;
  uint32_t layer_splits(const Layers& args) const;
  uint32_t workgroup(uint64_t wanted, uint64_t largest = 256) const;

  const Device* device_;
  Pipelines* pipelines_;
};

}  // namespace sain::engine::vulkan
