#include "engine/kv_cache.h"

namespace sain::engine {

Result<KvCache> KvCache::create(const ModelConfig& config, uint32_t n_layers, uint32_t context_length, KvType type) {
  KvCache cache;
  cache.row_bytes_ = kernels::kv_row_bytes(type, config.head_dim);
  cache.n_kv_heads_ = config.n_kv_heads;
  cache.head_dim_ = config.head_dim;
  cache.context_length_ = context_length;
  cache.type_ = type;
  const size_t bytes = size_t{n_layers} * config.n_kv_heads * context_length * cache.row_bytes_;
  SAIN_ASSIGN_OR_RETURN(cache.keys_, AlignedBuffer::allocate(bytes, "the keys of the KV cache"));
  SAIN_ASSIGN_OR_RETURN(cache.values_, AlignedBuffer::allocate(bytes, "the values of the KV cache"));
  return cache;
}

void KvCache::store(const kernels::Attention& kernels, uint32_t layer, uint32_t position, const float* key,
                    const float* value) {
  const kernels::StoreKvFn store_row = kernels.store_for_type(type_);
  for (uint32_t head = 0; head < n_kv_heads_; ++head) {
    const size_t at = offset(layer, position, head);
    store_row(key + size_t{head} * head_dim_, keys_.as<std::byte>() + at, head_dim_);
    store_row(value + size_t{head} * head_dim_, values_.as<std::byte>() + at, head_dim_);
  }
}

const void* KvCache::key(uint32_t layer, uint32_t position, uint32_t kv_head) const {
  return keys_.as<std::byte>() + offset(layer, position, kv_head);
}

const void* KvCache::value(uint32_t layer, uint32_t position, uint32_t kv_head) const {
  return values_.as<std::byte>() + offset(layer, position, kv_head);
}

}  // namespace sain::engine
