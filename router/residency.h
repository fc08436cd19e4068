// Which models are in memory: loaded on demand or ahead of it inside budgets of bytes, held by leases.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/model.h"
#include "formats/result.h"
#include "router/events.h"
#include "router/model_source.h"
#include "router/registry.h"

namespace sain::router {

/// A model's life. Any other change than these is a defect, and ends the program:
/// absent → loading → resident ⇄ leased; loading → absent (it failed or was stopped); leased → draining (its file was
/// replaced, so the last lease ends it); resident, leased, draining → unloading → absent.
enum class ModelState { kAbsent, kLoading, kResident, kLeased, kDraining, kUnloading };
std::string_view to_string(ModelState state);  // "absent", "loading", ...

enum class KeepLoaded { kWhileLeased, kUntilNeeded };

/// Who goes first where several wait for room; among equals whoever came first.
enum class Priority { kInteractive, kBackground };

struct ResidencyOptions {
  uint64_t budget_bytes = uint64_t{8} << 30;  // of weights, and of KV caches of leases
  uint64_t device_budget_bytes = 0;           // the same on a device, for models that go there; 0: there is none
  KeepLoaded keep_loaded = KeepLoaded::kUntilNeeded;
  unsigned max_overtakes = 8;  // a request that waits for room lets so many pass whose model is in memory
};

struct AcquireOptions {
  StatusSink status = {};  // hears of the load, on the calling thread
  std::stop_token stop = {};
  Priority priority = Priority::kInteractive;
  bool is_pinned = false;  // the lease will not end, and is of the model alone, without a KV cache: nobody waits for it
  std::chrono::milliseconds timeout = std::chrono::hours(1);  // for room and load together
};

/// One model, for whoever looks.
struct ModelStatus {
  std::filesystem::path file;
  ModelState state = ModelState::kAbsent;
  std::vector<SpecialistId> members = {};  // that it serves; none of a file that was replaced
  MemoryBytes weights = {};
  MemoryBytes kv = {};  // of all its leases
  unsigned n_leases = 0;
  double load_ms = 0;   // of its last load; 0: it never was
  double fraction = 0;  // of a load
};

/// How often it was right to load ahead.
struct ResidencyCounters {
  uint64_t n_loads = 0;
  uint64_t n_load_failures = 0;
  uint64_t n_unloads = 0;
  uint64_t n_prefetches = 0;          // begun
  uint64_t n_prefetch_hits = 0;       // models that were loaded ahead, and then used
  uint64_t n_prefetches_dropped = 0;  // stopped, failed, or evicted before any use
};

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
  ModelLease(Residency* residency, size_t slot, bool is_pinned, std::shared_ptr<const engine::Model> model)
      : residency_(residency), slot_(slot), is_pinned_(is_pinned), model_(std::move(model)) {}

  Residency* residency_ = nullptr;
  size_t slot_ = 0;
  bool is_pinned_ = false;
  std::shared_ptr<const engine::Model> model_;
};

/// Has a budget of this machine's memory and one of a device's. A model goes to the device where it could have room
/// there beside what is pinned, with a KV cache; else, or if the device does not take it after all, the CPU computes it
/// in this machine's memory, but for a part that what is free on the device has room for. Where one of the two is
/// short, what takes nothing of it stays.
///
/// Thread-safe. Members with the same file share one model. Nobody may hold a lease that is not pinned while asking
/// for another: then whoever waits gets its turn, since every lease that is waited for ends by itself.
class Residency {
 public:
  /// `files` is by SpecialistId.
  Residency(ModelSource source, const std::vector<std::filesystem::path>& files, const ResidencyOptions& options);
  ~Residency();  // stops loads and waits for them

  /// Waits until the model of `id` is in memory and there is room for one more KV cache. Loads run on threads of their
  /// own. Where there is no room, idle models go, those first whose loss is expected to cost least (the bytes to read
  /// again times the forecast, for each byte); where leased ones are in the way, it waits for its turn. All who ask for
  /// a model while it is loaded share that load, and its error. A stop request ends the wait, and the load too unless
  /// somebody else waits for it or it is worth having.
  /// Errors: kResourceExhausted (it can never fit beside what is pinned, or the time is over), kCancelled, those of
  /// the load. A failure leaves nothing behind: the next call tries again.
  Result<ModelLease> acquire(SpecialistId id, const AcquireOptions& options = {});

  /// Loads a model ahead, at idle priority, if it is worth more than the idle ones that must go for it; any acquire()
  /// that needs disk or memory stops it at once. False when it does not begin.
  bool prefetch(SpecialistId id);

  /// Probabilities of the next use, by SpecialistId; the rest counts as 0.
  void set_forecast(std::vector<double> forecast);

  /// Other files from now on, by SpecialistId: specialists that were added, updated or removed. A model that serves
  /// nobody any more goes when its last lease ends.
  void assign(const std::vector<std::filesystem::path>& files);

  /// Idle models go now.
  void unload_idle();

  uint64_t used_bytes() const { return used().host; }
  MemoryBytes used() const;
  /// Bytes of this machine's budget that something else takes from now on, in place of those of the last call.
  void reserve(uint64_t bytes);
  uint64_t budget_bytes() const { return budget().host; }
  MemoryBytes budget() const;
  bool is_loaded(SpecialistId id) const;
  size_t n_waiting() const;  // for room
  std::vector<ModelStatus> status() const;
  ResidencyCounters counters() const;

 private:
  friend class ModelLease;
  using Lock = std::unique_lock<std::mutex>;

  /// A load in progress. Guarded like its slot; whoever waits for it keeps it to learn how it ended.
  struct Load {
    std::stop_source stop;
    bool is_idle = false;      // a prefetch, by a thread of idle priority
    uint64_t device_room = 0;  // that the model's weights can have
    unsigned n_waiting = 0;
    double fraction = 0;
    bool is_done = false;
    bool is_over = false;  // its thread leaves the slot alone from now on
    std::optional<Error> error = {};
  };

  struct Slot {
    std::filesystem::path file;
    ModelState state = ModelState::kAbsent;
    std::shared_ptr<const engine::Model> model = {};
    ModelCost cost = {};
    ModelPlace place = {};    // what it takes, or will, while it is loaded
    unsigned n_leases = 0;    // and whoever has begun a load, for which there is room already
    unsigned n_pinned = 0;    // of them
    bool is_retired = false;  // serves nobody any more
    bool is_unused = false;   // loaded, and not leased since
    double load_ms = 0;
    uint64_t last_used = 0;  // by a counter
    std::shared_ptr<Load> load = {};
    std::jthread loader = {};
  };

  struct Waiter {
    Priority priority;
    const Slot* slot;
    bool wants_room = false;
    unsigned n_overtaken = 0;
  };

  void set_state(Slot& slot, ModelState state);
  size_t slot_of(const std::filesystem::path& file);
  bool may_go(const std::list<Waiter>::iterator& waiter, bool needs_load) const;
  bool is_wanted(const Slot& slot) const;
  ModelPlace place(const ModelCost& cost) const;
  uint64_t device_room(const ModelCost& cost) const;
  Error never_fits(const Slot& slot, const MemoryBytes& needed, const MemoryBytes& taken) const;
  std::optional<Error> settle(Lock& lock, Slot& slot, const Load& load, uint64_t device_bytes);
  std::vector<Slot*> find_victims(const Slot& slot, const MemoryBytes& needed, double limit) const;
  double worth(const Slot& slot, const ModelCost& cost) const;
  double probability(const Slot& slot) const;
  MemoryBytes budget_locked() const { return {options_.budget_bytes, options_.device_budget_bytes}; }
  MemoryBytes used_locked() const;
  MemoryBytes pinned() const;
  void unload(Lock& lock, const std::vector<Slot*>& slots);
  void release(size_t slot, bool is_pinned);
  void changed();
  void wait(Lock& lock, const std::stop_token& stop, std::chrono::steady_clock::time_point deadline);

  std::shared_ptr<Load> begin_load(Slot& slot, const ModelCost& cost, const ModelPlace& takes, bool is_idle);
  void run_load(Slot& slot, Load& load);
  void fail(Slot& slot, Load& load, Error error);
  void await(Lock& lock, const Slot& slot, Load& load, SpecialistId id, const AcquireOptions& options,
             std::chrono::steady_clock::time_point deadline);
  void stop_prefetches();
  void abandon(Slot& slot);

  ModelSource source_;
  ResidencyOptions options_;

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  uint64_t version_ = 0;                      // of everything below: those who wait look for another one
  std::vector<std::unique_ptr<Slot>> slots_;  // one a file, never removed
  std::vector<size_t> slot_of_;               // by SpecialistId
  std::vector<double> forecast_;
  std::list<Waiter> waiting_;  // for room, in the order of their turns
  std::vector<std::pair<std::shared_ptr<Load>, std::jthread>> abandoned_;
  ResidencyCounters counters_;
  uint64_t clock_ = 0;
  uint64_t reserved_bytes_ = 0;
};

}  // namespace sain::router
