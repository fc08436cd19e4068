// Keys and values of the tokens that a conversation has seen.
#pragma once

#include <cstdint>

#include "engine/aligned_buffer.h"
#include "engine/model_config.h"
#include "formats/result.h"
#include "kernels/attention/attention.h"

namespace sain::engine {

enum class KvType { kF32, kF16 };

/// Room for `context_length` positions in each of `n_layers` layers. Position p of a layer holds n_kv_heads * head_dim
/// elements of keys, and as many of values. All memory is taken by create().
class KvCache {
 public:
  static Result<KvCache> create(const ModelConfig& config, uint32_t n_layers, uint32_t context_length, KvType type);

  /// Writes the key and value (kv_dim floats each) of position `position` in `layer`.
  void store(const kernels::Attention& kernels, uint32_t layer, uint32_t position, const float* key,
             const float* value);

  /// The key (value) of head `kv_head` at `position`; the next position's is stride() elements on.
  const void* key(uint32_t layer, uint32_t position, uint32_t kv_head) const;
  const void* value(uint32_t layer, uint32_t position, uint32_t kv_head) const;

  size_t stride() const { return kv_dim_; }
  KvType type() const { return type_; }
  uint32_t context_length() const { return context_length_; }
  size_t bytes() const { return keys_.bytes() + values_.bytes(); }

  uint32_t length = 0;  // positions that hold a token, in all layers

 private:
  size_t element(uint32_t layer, uint32_t position) const {
    return (size_t{layer} * context_length_ + position) * kv_dim_;
  }
  std::byte* at(const AlignedBuffer& buffer, size_t element) const {
    return buffer.as<std::byte>() + element * (type_ == KvType::kF32 ? 4 : 2);
  }

  AlignedBuffer keys_, values_;  // (n_layers, context_length, kv_dim)
  size_t kv_dim_ = 0;
  size_t head_dim_ = 0;
  uint32_t context_length_ = 0;
  KvType type_ = KvType::kF16;
};

}  // namespace sain::engine
