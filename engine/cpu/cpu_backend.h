// Passes on the CPU.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "engine/backend.h"
#include "engine/cpu/batcher.h"
#include "engine/cpu/key_centers.h"
#include "engine/kv_cache.h"

namespace sain::engine::cpu {

struct CpuBackendOptions {
  BatcherOptions passes = {};
  uint64_t max_length = 0;  // as in KvCacheOptions
  KvRule rule = {};
  KvType kv_type = KvType::kF16;
};

/// Shares passes and their memory with others of the same model, pool and BatcherOptions. Refers to its Model,
/// ThreadPool and Adapter, which must outlive it.
class CpuBackend : public Backend {
 public:
  /// Takes all its memory here. Errors: kResourceExhausted.
  static Result<std::unique_ptr<CpuBackend>> create(const Model& model, ThreadPool& pool,
                                                    const CpuBackendOptions& options);
  ~CpuBackend() override { leave(); }

  size_t max_batch() const override { return batcher_->max_batch(); }
  size_t max_scored_batch() const override { return batcher_->max_batch(); }
  size_t alike_batch() const override;
  bool is_shared() const override { return seat_->had_company; }
  void set_priority(TurnPriority priority) override { options_.passes.priority = priority; }
  void set_n_scored(size_t n_tokens) override { n_scored_ = n_tokens; }
  /// Errors: also kResourceExhausted, after set_priority().
  Status append(std::span<const formats::Token> tokens, const std::stop_token& stop) override;
  Result<MatrixView<float>> logits(size_t first, size_t count) override;
  uint64_t length() const override { return cache_.length(); }
  bool truncate(uint64_t n_positions) override { return cache_.truncate(n_positions); }
  size_t bytes() const override { return cache_.bytes(); }
  const KvLayout* layout() const override { return &cache_.layout(); }
  Result<KvPrefix> share() override { return cache_.share(); }
  bool adopt(const KvPrefix& prefix) override { return cache_.adopt(prefix); }

  /// The mean over `tokens` of the hidden state after `n_layers` layers (d_model), beside the conversation, which stays
  /// as it is. Errors: kResourceExhausted.
  Result<std::vector<float>> hidden_state(std::span<const formats::Token> tokens, uint32_t n_layers);

 private:
  CpuBackend(const Model& model, ThreadPool& pool, const CpuBackendOptions& options, KvCache cache)
      : model_(&model), pool_(&pool), options_(options), cache_(std::move(cache)), centers_(model) {}
  Status join();
  void leave() {
    if (batcher_ != nullptr) batcher_->leave(*seat_);
  }

  const Model* model_;
  ThreadPool* pool_;
  CpuBackendOptions options_;
  std::shared_ptr<Batcher> batcher_;
  std::unique_ptr<Batcher::Seat> seat_;  // of batcher_
  KvCache cache_;
  KeyCenters centers_;
  size_t n_scored_ = 1;

  AlignedBuffer memory_;      // backs the views below
  MatrixView<float> hidden_;  // (max_batch, d_model), of the last append()'s tokens
  MatrixView<float> logits_;  // (kMaxLogits, vocab_size), of some of them:
  size_t first_scored_ = 0, n_has_scored_ = 0;

  std::optional<KvCache> probe_;  // for hidden_state(), taken when first needed
  uint32_t probe_layers_ = 0;
};

}  // namespace sain::engine::cpu
