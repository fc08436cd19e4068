// The loads of a Residency: each on a thread of its own, shared by all who wait for it.
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <new>
#include <system_error>

#include "router/residency.h"

namespace sain::router {
namespace {

using Clock = std::chrono::steady_clock;

/// The calling thread, and those that it starts, get the disk only where nobody else wants it, and a tenth of a
/// processor beside one who does: whoever needs its memory waits until it has seen that it is to stop.
void become_idle() {
  constexpr int kWhoThread = 1, kIdleClass = 3, kClassShift = 13;  // of ioprio_set(2), which has no header
  constexpr int kNiceness = 10;
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNiceness);
  syscall(SYS_ioprio_set, kWhoThread, 0, kIdleClass << kClassShift);
}

}  // namespace

std::shared_ptr<Residency::Load> Residency::begin_load(Slot& slot, const ModelCost& cost, const ModelPlace& takes,
                                                       bool is_idle) {
  const auto load = std::make_shared<Load>();
  load->is_idle = is_idle;
  set_state(slot, ModelState::kLoading);
  // A part of what has no room there as a whole goes into what is free, for which nothing else has to go.
  const MemoryBytes free = budget_locked() - used_locked() - MemoryBytes{.device = cost.kv_bytes};
  load->device_room = takes.weights.device > 0 ? device_room(cost) : free.device;
  slot.cost = cost;
  slot.place = takes;
  slot.load = load;
  ++counters_.n_loads;
  try {
    slot.loader = std::jthread([this, &slot, load] {
      if (load->is_idle) become_idle();
      run_load(slot, *load);
    });
  } catch (const std::system_error& error) {
    fail(slot, *load,
         make_error(ErrorCode::kResourceExhausted, "{}: no thread to load it: {}", slot.file.string(), error.what()));
  }
  changed();
  return load;
}

/// How a load ends that gives no model. Nothing is left of it.
void Residency::fail(Slot& slot, Load& load, Error error) {
  counters_.n_load_failures += error.code == ErrorCode::kCancelled ? 0 : 1;
  counters_.n_prefetches_dropped += load.is_idle && load.n_waiting == 0 ? 1 : 0;
  load.is_done = true;
  load.error = std::move(error);
  slot.cost = {};
  slot.place = {};
  slot.n_leases = slot.n_pinned = 0;
  set_state(slot, ModelState::kAbsent);
  slot.load.reset();
}

void Residency::run_load(Slot& slot, Load& load) {
  engine::LoadOptions options;
  options.path = slot.file;
  options.max_device_bytes = load.device_room;
  options.stop = load.stop.get_token();
  options.on_progress = [&](double fraction) {
    const Lock lock(mutex_);
    if (fraction < load.fraction + 0.01 && fraction < 1) return;  // nobody reads more often
    load.fraction = fraction;
    changed();
  };
  const auto start = Clock::now();
  Result<std::shared_ptr<const engine::Model>> model = Error{ErrorCode::kInternal, "the load did not run"};
  try {
    model = source_.load(options);
  } catch (const std::bad_alloc&) {
    model = make_error(ErrorCode::kResourceExhausted, "{}: there is not enough memory", slot.file.string());
  }
  const uint64_t device_bytes = model && source_.device_bytes ? source_.device_bytes(**model) : 0;
  Lock lock(mutex_);
  if (model && !load.is_done) {
    if (std::optional<Error> error = settle(lock, slot, load, device_bytes)) {
      lock.unlock();
      model = *std::move(error);
      lock.lock();
    }
  }
  if (load.is_done) {  // abandoned
    lock.unlock();
    model = load.error.value();
    lock.lock();
    load.is_over = true;
    return;
  }
  if (model) {
    load.is_done = true;
    slot.load.reset();
    slot.model = *std::move(model);
    slot.load_ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    slot.last_used = ++clock_;
    slot.is_unused = load.is_idle;
    set_state(slot, slot.n_leases == 0 ? ModelState::kResident
                    : slot.is_retired  ? ModelState::kDraining
                                       : ModelState::kLeased);
    const bool is_abandoned = options_.keep_loaded == KeepLoaded::kWhileLeased && !load.is_idle && load.n_waiting == 0;
    if (slot.n_leases == 0 && (slot.is_retired || is_abandoned)) unload(lock, {&slot});
  } else {
    fail(slot, load, std::move(model).error());
  }
  changed();
}

/// Until the load is done, a stop request, or the time is over. The last one that no longer waits decides what becomes
/// of the load.
void Residency::await(Lock& lock, const Slot& slot, Load& load, SpecialistId id, const AcquireOptions& options,
                      Clock::time_point deadline) {
  constexpr double kMostlyDone = 0.5, kLikely = 0.25;
  ++load.n_waiting;
  double told = -1;
  while (!load.is_done && !options.stop.stop_requested() && Clock::now() < deadline) {
    if (load.fraction > told && options.status) {
      told = load.fraction;
      lock.unlock();
      options.status({StatusEvent::Kind::kLoading, id, told, {}});
      lock.lock();
    } else {
      wait(lock, options.stop, deadline);
    }
  }
  const bool is_worth_having = options_.keep_loaded == KeepLoaded::kUntilNeeded &&
                               (load.fraction >= kMostlyDone || probability(slot) >= kLikely);
  if (--load.n_waiting == 0 && !load.is_done && !is_worth_having) load.stop.request_stop();
}

/// Does not wait for a prefetch to see that it is to stop: on a busy machine that takes seconds, at its priority. Until
/// then what it has mapped is what the next load of the same file maps, so it is not counted.
void Residency::abandon(Slot& slot) {
  std::erase_if(abandoned_, [](const auto& one) { return one.first->is_over; });
  const std::shared_ptr<Load> load = slot.load;
  load->stop.request_stop();
  abandoned_.emplace_back(load, std::move(slot.loader));
  fail(slot, *load, make_error(ErrorCode::kCancelled, "{}: loading was cancelled", slot.file.string()));
}

void Residency::stop_prefetches() {
  for (const auto& slot : slots_)
    if (slot->load && slot->load->is_idle) slot->load->stop.request_stop();
}

}  // namespace sain::router
