#include "router/residency.h"

#include <algorithm>
#include <new>
#include <system_error>
#include <thread>
#include <utility>

namespace sain::router {

ModelSource gguf_model_source(uint32_t context_length, engine::KvType kv_type, kernels::Isa isa) {
  ModelSource source;
  source.cost = [=](const std::filesystem::path& file) -> Result<ModelCost> {
    SAIN_ASSIGN_OR_RETURN(const formats::GgufFile gguf, formats::GgufFile::open(file));
    SAIN_ASSIGN_OR_RETURN(const engine::ModelConfig config, engine::ModelConfig::from_metadata(gguf.metadata()));
    const uint64_t n_tokens = std::min(context_length, config.context_length);
    const size_t row_bytes = kernels::kv_row_bytes(kernels::key_type(kv_type), config.head_dim) +
                             kernels::kv_row_bytes(kv_type, config.head_dim);
    return ModelCost{gguf.file_bytes(), n_tokens * config.n_layers * config.n_kv_heads * row_bytes};
  };
  source.load = [=](engine::LoadOptions options) -> Result<std::shared_ptr<const engine::Model>> {
    options.isa = isa;
    SAIN_ASSIGN_OR_RETURN(engine::Model model, engine::Model::load(options));
    return std::shared_ptr<const engine::Model>(std::make_shared<engine::Model>(std::move(model)));
  };
  return source;
}

ModelLease& ModelLease::operator=(ModelLease&& other) noexcept {
  if (this == &other) return *this;
  release();
  residency_ = std::exchange(other.residency_, nullptr);
  slot_ = other.slot_;
  model_ = std::move(other.model_);
  return *this;
}

void ModelLease::release() {
  model_.reset();
  if (residency_ != nullptr) std::exchange(residency_, nullptr)->release(slot_);
}

Residency::Residency(ModelSource source, const std::vector<std::filesystem::path>& files, uint64_t budget_bytes,
                     KeepLoaded keep_loaded)
    : source_(std::move(source)), budget_bytes_(budget_bytes), keep_loaded_(keep_loaded) {
  for (const std::filesystem::path& file : files) {
    std::error_code error;
    std::filesystem::path canonical = std::filesystem::weakly_canonical(file, error);
    if (error) canonical = file;
    size_t slot = 0;
    while (slot < slots_.size() && slots_[slot].file != canonical) ++slot;
    if (slot == slots_.size()) slots_.push_back({.file = canonical});
    slot_of_.push_back(slot);
  }
}

Result<ModelLease> Residency::acquire(SpecialistId id, const StatusSink& status, std::stop_token stop) {
  const size_t slot_index = slot_of_.at(index(id));
  std::unique_lock lock(mutex_);
  Slot& slot = slots_[slot_index];  // slots_ never grows after construction
  changed_.wait(lock, stop, [&] { return !slot.is_loading; });
  if (stop.stop_requested()) return make_error(ErrorCode::kCancelled, "{}: the load was stopped", slot.file.string());

  if (slot.model == nullptr) {
    slot.is_loading = true;  // from here on this thread alone may change the slot
    lock.unlock();
    auto cost = source_.cost(slot.file);
    lock.lock();
    Status reserved = cost ? reserve(slot, *cost) : Status(cost.error());
    Result<std::shared_ptr<const engine::Model>> model = Error{};
    if (reserved) {
      lock.unlock();
      model = load(slot.file, id, status, stop);
      lock.lock();
    }
    slot.is_loading = false;
    changed_.notify_all();
    if (!reserved) return std::move(reserved).error();
    if (!model) {
      --slot.n_leases;
      slot.cost = {};
      return std::move(model).error();
    }
    slot.model = *std::move(model);
  } else {
    SAIN_RETURN_IF_ERROR(reserve(slot, slot.cost));
  }
  slot.last_used = ++clock_;
  ModelLease lease(this, slot_index, slot.model);
  lock.unlock();
  if (status) status({StatusEvent::Kind::kReady, id, 1, {}});
  return lease;
}

/// Counts one more lease of `slot` after making room for it, and for the weights unless they are there, by dropping
/// idle models, the one that was used longest ago first.
Status Residency::reserve(Slot& slot, const ModelCost& cost) {
  const uint64_t needed = cost.kv_bytes + (slot.model == nullptr ? cost.weights_bytes : 0);
  while (used_bytes_locked() + needed > budget_bytes_) {
    Slot* oldest = nullptr;
    for (Slot& other : slots_)
      if (&other != &slot && other.model != nullptr && other.n_leases == 0 &&
          (oldest == nullptr || other.last_used < oldest->last_used))
        oldest = &other;
    if (oldest == nullptr)
      return make_error(ErrorCode::kResourceExhausted,
                        "{}: needs {} MiB of weights and KV cache; {} of the budget of {} MiB are in use",
                        slot.file.string(), needed >> 20, used_bytes_locked() >> 20, budget_bytes_ >> 20);
    oldest->model.reset();
    oldest->cost = {};
  }
  slot.cost = cost;
  ++slot.n_leases;
  return {};
}

uint64_t Residency::used_bytes_locked() const {
  uint64_t used = 0;
  for (const Slot& slot : slots_) used += slot.cost.weights_bytes + slot.n_leases * slot.cost.kv_bytes;
  return used;
}

/// Loads on a thread of its own, so that the caller is free to tell how far it is.
Result<std::shared_ptr<const engine::Model>> Residency::load(const std::filesystem::path& file, SpecialistId id,
                                                             const StatusSink& status, std::stop_token stop) {
  struct Progress {
    std::mutex mutex;
    std::condition_variable changed;
    double fraction = 0;
    bool is_done = false;
  } progress;
  Result<std::shared_ptr<const engine::Model>> model = Error{ErrorCode::kInternal, "the load did not run"};
  {
    std::jthread loader([&] {
      engine::LoadOptions options;
      options.path = file;
      options.stop = stop;
      options.on_progress = [&progress](double fraction) {
        const std::lock_guard lock(progress.mutex);
        progress.fraction = fraction;
        progress.changed.notify_one();
      };
      try {
        model = source_.load(options);
      } catch (const std::bad_alloc&) {
        model = make_error(ErrorCode::kResourceExhausted, "{}: there is not enough memory", file.string());
      }
      const std::lock_guard lock(progress.mutex);
      progress.is_done = true;
      progress.changed.notify_one();
    });
    double told = -1;
    std::unique_lock lock(progress.mutex);
    while (!progress.is_done) {
      if (progress.fraction > told && status) {
        told = progress.fraction;
        lock.unlock();
        status({StatusEvent::Kind::kLoading, id, told, {}});
        lock.lock();
        continue;
      }
      progress.changed.wait(lock);
    }
  }
  return model;
}

void Residency::release(size_t slot_index) {
  std::shared_ptr<const engine::Model> unloaded;  // goes away without the lock: unmapping takes its time
  const std::lock_guard lock(mutex_);
  Slot& slot = slots_[slot_index];
  --slot.n_leases;
  if (slot.n_leases == 0 && keep_loaded_ == KeepLoaded::kWhileLeased) {
    unloaded = std::move(slot.model);
    slot.cost = {};
  }
}

uint64_t Residency::used_bytes() const {
  const std::lock_guard lock(mutex_);
  return used_bytes_locked();
}

bool Residency::is_loaded(SpecialistId id) const {
  const std::lock_guard lock(mutex_);
  return slots_[slot_of_.at(index(id))].model != nullptr;
}

}  // namespace sain::router
