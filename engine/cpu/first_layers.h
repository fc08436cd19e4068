// A model's first layers on the CPU, where the others are computed elsewhere.
#pragma once

#include <memory>
#include <span>
#include <stop_token>

#include "engine/cpu/batcher.h"
#include "engine/cpu/key_centers.h"
#include "engine/kv_cache.h"

namespace sain::engine::cpu {

struct FirstLayersOptions {
  uint32_t n_layers = 0;  // 0: the embedding alone
  Tuning tuning = {};
  uint64_t max_length = 0;  // as in KvCacheOptions
  KvRule rule = {};
};

/// The keys and values of one conversation in these layers, in f16. Sessions take turns. Refers to its Model and
/// ThreadPool, which must outlive it. Used by one thread at a time.
class FirstLayers {
 public:
  /// Errors: kResourceExhausted.
  static Result<std::unique_ptr<FirstLayers>> create(const Model& model, ThreadPool& pool,
                                                     const FirstLayersOptions& options);

  size_t max_batch() const { return batcher_->max_batch(); }

  /// Takes `tokens`, at most max_batch(), through the layers: the states after them into `states` (tokens, d_model).
  /// False, and nothing is appended, within a layer of a request of `stop`.
  bool append(std::span<const formats::Token> tokens, const MatrixView<float>& states, const std::stop_token& stop);

  /// As KvCache::truncate().
  bool truncate(uint64_t n_positions) { return cache_.truncate(n_positions); }
  size_t bytes() const { return cache_.bytes(); }

 private:
  FirstLayers(const Model& model, uint32_t n_layers, std::shared_ptr<Batcher> batcher, KvCache cache)
      : n_layers_(n_layers), batcher_(std::move(batcher)), cache_(std::move(cache)), centers_(model) {}

  uint32_t n_layers_;
  std::shared_ptr<Batcher> batcher_;
  KvCache cache_;
  KeyCenters centers_;
};

}  // namespace sain::engine::cpu
