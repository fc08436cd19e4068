// Keys and values of the tokens that a conversation has seen.
#pragma once

#include <cstdint>

#include "engine/aligned_buffer.h"
#include "engine/model_config.h"
#include "formats/result.h"
#include "kernels/attention/attention.h"

namespace sain::engine {

using kernels::KvType;

/// Room for `context_length` positions in each of `n_layers` layers: a row of head_dim elements for the key of each KV
/// head, and one for the value. A head's rows lie one after the other, as attention reads them. All memory is taken by
/// create().
class KvCache {
 public:
  static Result<KvCache> create(const ModelConfig& config, uint32_t n_layers, uint32_t context_length, KvType type);

  /// Writes the key and value (kv_dim floats each) of position `position` in `layer`.
  void store(const kernels::Attention& kernels, uint32_t layer, uint32_t position, const float* key,
             const float* value);

  /// The key (value) of head `kv_head` at `position`; the next position's is row_bytes() on.
  const void* key(uint32_t layer, uint32_t position, uint32_t kv_head) const;
  const void* value(uint32_t layer, uint32_t position, uint32_t kv_head) const;

  size_t row_bytes() const { return row_bytes_; }
  KvType type() const { return type_; }
  uint32_t context_length() const { return context_length_; }
  size_t bytes() const { return keys_.bytes() + values_.bytes(); }

  uint32_t length = 0;  // positions that hold a token, in all layers

 private:
  size_t offset(uint32_t layer, uint32_t position, uint32_t kv_head) const {
    return ((size_t{layer} * n_kv_heads_ + kv_head) * context_length_ + position) * row_bytes_;
  }

  AlignedBuffer keys_, values_;  // (n_layers, n_kv_heads, context_length) rows
  size_t row_bytes_ = 0;
  uint32_t n_kv_heads_ = 0;
  uint32_t head_dim_ = 0;
  uint32_t context_length_ = 0;
  KvType type_ = KvType::kF16;
};

}  // namespace sain::engine
