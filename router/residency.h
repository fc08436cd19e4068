// Which models are in memory: loaded on demand inside a budget of bytes, held by leases.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <vector>

#include "engine/kv_cache.h"
#include "engine/model.h"
#include "formats/result.h"
#include "router/events.h"
#include "router/registry.h"

namespace sain::router {

/// What a model will take, known before it is loaded.
struct ModelCost {
  uint64_t weights_bytes = 0;  // once, however many use it
  uint64_t kv_bytes = 0;       // for every lease
};

/// Where models come from; tests put their own here.
struct ModelSource {
  std::function<Result<ModelCost>(const std::filesystem::path& file)> cost;
  std::function<Result<std::shared_ptr<const engine::Model>>(const engine::LoadOptions& options)> load;
};

/// GGUF files: the cost from their header, for a KV cache of `context_length` tokens in every layer; loaded with
/// kernels for `isa`.
ModelSource gguf_model_source(uint32_t context_length, engine::KvType kv_type, kernels::Isa isa);

enum class KeepLoaded { kWhileLeased, kUntilNeeded };

class Residency;

/// Holds a model in memory until it is destroyed. Movable. The Residency must outlive it.
class ModelLease {
 public:
  ModelLease() = default;
  ModelLease(ModelLease&& other) noexcept { *this = std::move(other); }
  ModelLease& operator=(ModelLease&& other) noexcept;
  ~ModelLease() { release(); }

  const engine::Model& model() const { return *model_; }
  void release();  // what the destructor does

 private:
  friend class Residency;
  ModelLease(Residency* residency, size_t slot, std::shared_ptr<const engine::Model> model)
      : residency_(residency), slot_(slot), model_(std::move(model)) {}

  Residency* residency_ = nullptr;
  size_t slot_ = 0;
  std::shared_ptr<const engine::Model> model_;
};

/// Thread-safe. Members with the same file share one model.
class Residency {
 public:
  /// `files` is by SpecialistId.
  Residency(ModelSource source, const std::vector<std::filesystem::path>& files, uint64_t budget_bytes,
            KeepLoaded keep_loaded);

  /// Waits until the model of `id` is in memory; it is loaded by a thread of its own, whose progress goes to `status`
  /// on the calling thread. Idle models make room where the budget asks for it. Two that ask for one model share one
  /// load. Errors: kResourceExhausted (the budget), kCancelled (`stop`), those of the load. A failure leaves
  /// nothing behind: the next call tries again.
  Result<ModelLease> acquire(SpecialistId id, const StatusSink& status, std::stop_token stop = {});

  uint64_t used_bytes() const;
  uint64_t budget_bytes() const { return budget_bytes_; }
  bool is_loaded(SpecialistId id) const;

 private:
  friend class ModelLease;
  struct Slot {
    std::filesystem::path file;
    std::shared_ptr<const engine::Model> model = {};
    ModelCost cost = {};
    unsigned n_leases = 0;
    bool is_loading = false;
    uint64_t last_used = 0;  // by a counter
  };

  Status reserve(Slot& slot, const ModelCost& cost);
  uint64_t used_bytes_locked() const;
  Result<std::shared_ptr<const engine::Model>> load(const std::filesystem::path& file, SpecialistId id,
                                                    const StatusSink& status, std::stop_token stop);
  void release(size_t slot);

  ModelSource source_;
  uint64_t budget_bytes_;
  KeepLoaded keep_loaded_;
  std::vector<size_t> slot_of_;  // by SpecialistId

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<Slot> slots_;  // one a file
  uint64_t clock_ = 0;
};

}  // namespace sain::router
