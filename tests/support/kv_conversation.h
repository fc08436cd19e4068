// A KV cache whose rows are told apart: what tests of caches and of their prefixes share.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "engine/kv_cache.h"

namespace sain::testing {

using namespace engine;

/// A cache, and what should be in it: each position has a number, which its rows tell apart from all others.
class KvConversation {
 public:
  static constexpr uint32_t kHeads = 2, kHeadDim = 4;
  static constexpr uint32_t kMaxBatch = 7;

  /// Layers 0 and 2 see all or what the options say, layers 1 and 3 a window of 16.
  static ModelConfig model() {
    ModelConfig config;
    config.n_kv_heads = kHeads;
    config.head_dim = kHeadDim;
    config.sliding_window = 16;
    config.is_local = {false, true, false, true};
    return config;
  }

  explicit KvConversation(const KvCacheOptions& options) : cache_(*KvCache::create(model(), options)) {}

  KvCache& cache() { return cache_; }

  void append(size_t n, float first_number) {
    const kernels::Attention kernels = kernels::select_attention(kernels::Isa::kScalar);
    for (size_t i = 0; i < n; ++i) {
      numbers_.push_back(first_number + static_cast<float>(i));
      for (uint32_t layer = 0; layer < 4; ++layer) {
        std::vector<float> key, value;
        for (uint32_t head = 0; head < kHeads; ++head) {
          for (uint32_t c = 0; c < kHeadDim; ++c) {
            key.push_back(row(layer, head)[c] + numbers_.back());
            value.push_back(-key.back());
          }
        }
        cache_.store(kernels, layer, numbers_.size() - 1, key.data(), value.data());
      }
    }
    cache_.advance(n);
  }

  /// Appends in batches of all sizes, and looks at each what it and the next see.
  void append_and_check(size_t n, float first_number) {
    for (size_t done = 0, batch = 1; done < n; batch = batch % kMaxBatch + 1) {
      const size_t count = std::min(batch, n - done);
      const uint64_t before = cache_.length();
      append(count, first_number + static_cast<float>(done));
      for (uint32_t layer = 0; layer < 4; ++layer) {
        const KvRule& rule = cache_.rule(layer);
        check(layer, 0, std::min<uint64_t>(rule.n_sinks, cache_.length()));
        check(layer, rule.window_begin(before), cache_.length());
      }
      done += count;
    }
  }

  /// What the next position sees.
  void check() {
    EXPECT_EQ(cache_.length(), numbers_.size());
    for (uint32_t layer = 0; layer < 4; ++layer) {
      check(layer, cache_.rule(layer).window_begin(cache_.length()), cache_.length());
    }
  }

  bool truncate(size_t n) {
    const bool done = cache_.truncate(n);
    if (done) numbers_.resize(std::min(n, numbers_.size()));
    return done;
  }

  bool adopt(const KvPrefix& prefix, const KvConversation& from) {
    const bool done = cache_.adopt(prefix);
    if (done) numbers_.assign(from.numbers_.begin(), from.numbers_.begin() + static_cast<ptrdiff_t>(prefix.length()));
    return done;
  }

 private:
  static std::vector<float> row(uint32_t layer, uint32_t head) {
    const float base = 10000 * static_cast<float>(layer * kHeads + head + 1);
    return {base, base + 0.25f, base + 0.5f, base + 0.75f};
  }

  void check(uint32_t layer, uint64_t begin, uint64_t end) {
    for (uint32_t head = 0; head < kHeads; ++head) {
      size_t n_runs = 0;
      for (uint64_t at = begin; at < end;) {
        const KvRun run = cache_.run(layer, head, at, end);
        ASSERT_EQ(run.begin, at);
        ASSERT_GT(run.end, at);
        ASSERT_LE(run.end, end);
        for (const float *key = static_cast<const float*>(run.keys), *value = static_cast<const float*>(run.values);
             at < run.end; ++at, key += kHeadDim, value += kHeadDim) {
          for (uint32_t c = 0; c < kHeadDim; ++c) {
            const float expected = row(layer, head)[c] + numbers_[at];
            ASSERT_EQ(key[c], expected) << "layer " << layer << ", position " << at << " of " << end;
            ASSERT_EQ(value[c], -expected) << "layer " << layer << ", position " << at << " of " << end;
          }
        }
        ++n_runs;
      }
      ASSERT_LE(n_runs, KvCache::kMaxRuns);
    }
  }

  KvCache cache_;
  std::vector<float> numbers_;
};

inline KvCacheOptions kv_stop(uint64_t max_length) {
  return {.n_layers = 4, .max_length = max_length, .max_batch = KvConversation::kMaxBatch, .type = KvType::kF32};
}

inline KvCacheOptions kv_stream(uint32_t n_sinks, uint32_t window) {
  KvCacheOptions options = kv_stop(KvCacheOptions::kEndless);
  options.rule = {.window = window, .n_sinks = n_sinks};
  return options;
}

}  // namespace sain::testing
