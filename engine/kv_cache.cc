#include "engine/kv_cache.h"

#include <cstring>

namespace sain::engine {

Result<KvCache> KvCache::create(const ModelConfig& config, uint32_t n_layers, uint32_t context_length, KvType type) {
  KvCache cache;
  cache.kv_dim_ = config.kv_dim();
  cache.head_dim_ = config.head_dim;
  cache.context_length_ = context_length;
  cache.type_ = type;
  const size_t bytes = size_t{n_layers} * context_length * cache.kv_dim_ * (type == KvType::kF32 ? 4 : 2);
  SAIN_ASSIGN_OR_RETURN(cache.keys_, AlignedBuffer::allocate(bytes, "the keys of the KV cache"));
  SAIN_ASSIGN_OR_RETURN(cache.values_, AlignedBuffer::allocate(bytes, "the values of the KV cache"));
  return cache;
}

void KvCache::store(const kernels::Attention& kernels, uint32_t layer, uint32_t position, const float* key,
                    const float* value) {
  std::byte* key_out = at(keys_, element(layer, position));
  std::byte* value_out = at(values_, element(layer, position));
  if (type_ == KvType::kF32) {
    std::memcpy(key_out, key, kv_dim_ * sizeof(float));
    std::memcpy(value_out, value, kv_dim_ * sizeof(float));
  } else {
    kernels.store_f16(key, key_out, kv_dim_);
    kernels.store_f16(value, value_out, kv_dim_);
  }
}

const void* KvCache::key(uint32_t layer, uint32_t position, uint32_t kv_head) const {
  return at(keys_, element(layer, position) + kv_head * head_dim_);
}

const void* KvCache::value(uint32_t layer, uint32_t position, uint32_t kv_head) const {
  return at(values_, element(layer, position) + kv_head * head_dim_);
}

}  // namespace sain::engine
