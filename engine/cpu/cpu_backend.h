// Passes on the CPU.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "engine/backend.h"
#include "engine/cpu/forward.h"
#include "engine/kv_cache.h"

namespace sain::engine::cpu {

struct CpuBackendOptions {
  Arithmetic arithmetic = Arithmetic::kInt8;
  Tuning tuning = {};
  const Adapter* adapter = nullptr;  // of the model; or none
  uint64_t max_length = 0;           // as in KvCacheOptions
  KvRule rule = {};
  KvType kv_type = KvType::kF16;
};

/// Refers to its Model, ThreadPool and Adapter, which must outlive it.
class CpuBackend : public Backend {
 public:
  /// Takes all its memory here. Errors: kResourceExhausted.
  static Result<std::unique_ptr<CpuBackend>> create(const Model& model, ThreadPool& pool,
                                                    const CpuBackendOptions& options);

  size_t max_batch() const override { return forward_.max_batch(); }
  size_t max_scored_batch() const override { return forward_.max_batch(); }
  size_t alike_batch() const override;
  void set_priority(TurnPriority priority) override { forward_.set_priority(priority); }
  Status append(std::span<const formats::Token> tokens, const std::stop_token& stop) override;
  Result<MatrixView<float>> logits(size_t first, size_t count) override { return forward_.logits(first, count); }
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
  CpuBackend(const Model& model, const CpuBackendOptions& options, Forward forward, KvCache cache)
      : model_(&model), options_(options), forward_(std::move(forward)), cache_(std::move(cache)) {}

  const Model* model_;
  CpuBackendOptions options_;
  Forward forward_;
  KvCache cache_;
  std::optional<KvCache> probe_;  // for hidden_state(), taken when first needed
  uint32_t probe_layers_ = 0;
};

}  // namespace sain::engine::cpu
