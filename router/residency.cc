#include "router/residency.h"

#include <algorithm>
#include <array>
#include <limits>
#include <system_error>
#include <utility>

namespace sain::router {
namespace {

using Clock = std::chrono::steady_clock;

std::filesystem::path canonical_path(const std::filesystem::path& file) {
  std::error_code error;
  std::filesystem::path path = std::filesystem::weakly_canonical(file, error);
  return error ? file : path;
}

Error stopped(const std::filesystem::path& file) {
  return make_error(ErrorCode::kCancelled, "{}: the load was stopped", file.string());
}

Error timed_out(const std::filesystem::path& file, const AcquireOptions& options) {
  return make_error(ErrorCode::kResourceExhausted, "{}: was not in memory after {} s", file.string(),
                    std::chrono::duration<double>(options.timeout).count());
}

bool is_allowed(ModelState from, ModelState to) {
  using enum ModelState;
  switch (from) {
    case kAbsent:
      return to == kLoading;
    case kLoading:
      return to == kResident || to == kLeased || to == kDraining || to == kAbsent;
    case kResident:
      return to == kLeased || to == kUnloading;
    case kLeased:
      return to == kResident || to == kDraining || to == kUnloading;
    case kDraining:
      return to == kLeased || to == kUnloading;
    case kUnloading:
      return to == kAbsent;
  }
  return false;
}

}  // namespace

std::string_view to_string(ModelState state) {
  static constexpr std::array<std::string_view, 6> kNames = {"absent", "loading",  "resident",
                                                             "leased", "draining", "unloading"};
  return kNames[static_cast<size_t>(state)];
}

ModelLease& ModelLease::operator=(ModelLease&& other) noexcept {
  if (this == &other) return *this;
  release();
  residency_ = std::exchange(other.residency_, nullptr);
  slot_ = other.slot_;
  is_pinned_ = other.is_pinned_;
  model_ = std::move(other.model_);
  return *this;
}

void ModelLease::release() {
  model_.reset();
  if (residency_ != nullptr) std::exchange(residency_, nullptr)->release(slot_, is_pinned_);
}

Residency::Residency(ModelSource source, const std::vector<std::filesystem::path>& files,
                     const ResidencyOptions& options)
    : source_(std::move(source)), options_(options) {
  for (const std::filesystem::path& file : files) slot_of_.push_back(slot_of(file));
}

Residency::~Residency() {
  {
    const Lock lock(mutex_);
    for (const auto& slot : slots_)
      if (slot->load) slot->load->stop.request_stop();
  }
  for (const auto& slot : slots_)
    if (slot->loader.joinable()) slot->loader.join();
  abandoned_.clear();
}

Result<ModelLease> Residency::acquire(SpecialistId id, const AcquireOptions& options) {
  const auto deadline = Clock::now() + options.timeout;
  Lock lock(mutex_);
  const size_t slot_index = slot_of_.at(index(id));
  Slot& slot = *slots_[slot_index];
  std::optional<ModelCost> cost;
  const auto turn = std::ranges::find_if(waiting_, [&](const Waiter& w) { return w.priority > options.priority; });
  const auto waiter = waiting_.insert(turn, {options.priority, &slot, false, 0});
  const auto leave = [&](Error error) {
    waiting_.erase(waiter);
    changed();
    return error;
  };
  const auto finish = [&]() -> ModelLease {
    slot.last_used = ++clock_;
    counters_.n_prefetch_hits += std::exchange(slot.is_unused, false) ? 1 : 0;
    ModelLease lease(this, slot_index, options.is_pinned, slot.model);
    lock.unlock();
    if (options.status) options.status({StatusEvent::Kind::kReady, id, 1, {}});
    return lease;
  };

  for (;;) {
    if (options.stop.stop_requested()) return leave(stopped(slot.file));
    if (Clock::now() >= deadline) return leave(timed_out(slot.file, options));
    if (slot.load) {
      if (slot.load->is_idle) {  // begins again at full speed: what has been read stays in the page cache
        abandon(slot);
        continue;
      }
      const std::shared_ptr<Load> load = slot.load;
      await(lock, slot, *load, id, options, deadline);
      if (load->error && load->error->code != ErrorCode::kCancelled) return leave(*load->error);
      continue;
    }
    if (slot.state == ModelState::kUnloading) {
      wait(lock, options.stop, deadline);
      continue;
    }
    const bool needs_load = slot.model == nullptr;
    if (needs_load && !cost) {
      lock.unlock();
      auto known = source_.cost(slot.file);
      lock.lock();
      if (!known) {
        ++counters_.n_load_failures;
        return leave(known.error());
      }
      cost = *known;
      continue;
    }
    const ModelPlace takes = needs_load ? place(*cost) : slot.place;
    const MemoryBytes needed =
        (needs_load ? takes.weights : MemoryBytes{}) + (options.is_pinned ? MemoryBytes{} : takes.kv);
    if (needs_load) stop_prefetches();
    if (!(needed + pinned()).fits(budget_locked())) return leave(never_fits(slot, needed, pinned()));
    if (may_go(waiter, needs_load)) {
      if ((used_locked() + needed).fits(budget_locked())) break;
      const auto victims = find_victims(slot, needed, std::numeric_limits<double>::infinity());
      if (!victims.empty()) {
        unload(lock, victims);
        continue;
      }
    }
    waiter->wants_room = true;
    wait(lock, options.stop, deadline);
  }

  for (auto it = waiting_.begin(); it != waiter; ++it) ++it->n_overtaken;
  waiting_.erase(waiter);
  ++slot.n_leases;
  slot.n_pinned += options.is_pinned ? 1 : 0;
  if (slot.model != nullptr) {
    if (slot.state == ModelState::kResident) set_state(slot, ModelState::kLeased);
    changed();
    return finish();
  }
  const std::shared_ptr<Load> load = begin_load(slot, *cost, place(*cost), false);
  await(lock, slot, *load, id, options, deadline);
  if (load->is_done && !load->error) return finish();
  if (load->is_done) return *load->error;
  --slot.n_leases;  // the load goes on, or is being stopped
  slot.n_pinned -= options.is_pinned ? 1 : 0;
  changed();
  return options.stop.stop_requested() ? stopped(slot.file) : timed_out(slot.file, options);
}

bool Residency::prefetch(SpecialistId id) {
  Lock lock(mutex_);
  Slot& slot = *slots_[slot_of_.at(index(id))];
  const auto is_free = [&] {
    return slot.state == ModelState::kAbsent && waiting_.empty() &&
           std::ranges::none_of(slots_, [&](const auto& other) {
             return other->load && (!other->load->is_idle || probability(*other) >= probability(slot));
           });
  };
  if (!is_free()) return false;
  lock.unlock();
  const auto cost = source_.cost(slot.file);
  lock.lock();
  if (!cost) return false;
  stop_prefetches();
  while (std::ranges::any_of(slots_, [](const auto& other) { return other->load && other->load->is_idle; }))
    wait(lock, {}, Clock::time_point::max());
  if (!is_free()) return false;
  const ModelPlace takes = place(*cost);
  const MemoryBytes needed = takes.weights + takes.kv;
  if (!(used_locked() + needed).fits(budget_locked())) {
    const auto victims = find_victims(slot, needed, worth(slot, *cost));
    if (victims.empty()) return false;
    unload(lock, victims);
  }
  if (!is_free() || !(used_locked() + needed).fits(budget_locked())) return false;
  ++counters_.n_prefetches;
  begin_load(slot, *cost, takes, true);
  return true;
}

void Residency::set_forecast(std::vector<double> forecast) {
  const Lock lock(mutex_);
  forecast_ = std::move(forecast);
}

void Residency::assign(const std::vector<std::filesystem::path>& files) {
  Lock lock(mutex_);
  slot_of_.clear();
  for (const std::filesystem::path& file : files) slot_of_.push_back(slot_of(file));
  std::vector<Slot*> idle;
  for (size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = *slots_[i];
    slot.is_retired = std::ranges::find(slot_of_, i) == slot_of_.end();
    if (slot.is_retired && slot.state == ModelState::kLeased) set_state(slot, ModelState::kDraining);
    if (!slot.is_retired && slot.state == ModelState::kDraining) set_state(slot, ModelState::kLeased);
    if (slot.is_retired && slot.state == ModelState::kResident) idle.push_back(&slot);
    if (slot.is_retired && slot.load && slot.load->n_waiting == 0) slot.load->stop.request_stop();
  }
  unload(lock, idle);
  changed();
}

void Residency::unload_idle() {
  Lock lock(mutex_);
  std::vector<Slot*> idle;
  for (const auto& slot : slots_)
    if (slot->state == ModelState::kResident) idle.push_back(slot.get());
  unload(lock, idle);
}

MemoryBytes Residency::used() const {
  const Lock lock(mutex_);
  return used_locked();
}

void Residency::reserve(uint64_t bytes) {
  const Lock lock(mutex_);
  options_.budget_bytes += std::exchange(reserved_bytes_, 0);
  reserved_bytes_ = std::min(bytes, options_.budget_bytes);
  options_.budget_bytes -= reserved_bytes_;
  changed();
}

MemoryBytes Residency::budget() const {
  const Lock lock(mutex_);
  return budget_locked();
}

bool Residency::is_loaded(SpecialistId id) const {
  const Lock lock(mutex_);
  return slots_[slot_of_.at(index(id))]->model != nullptr;
}

size_t Residency::n_waiting() const {
  const Lock lock(mutex_);
  return static_cast<size_t>(std::ranges::count_if(waiting_, &Waiter::wants_room));
}

std::vector<ModelStatus> Residency::status() const {
  const Lock lock(mutex_);
  std::vector<ModelStatus> list;
  for (size_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = *slots_[i];
    if (slot.is_retired && slot.state == ModelState::kAbsent) continue;
    ModelStatus status{.file = slot.file,
                       .state = slot.state,
                       .weights = slot.place.weights,
                       .kv = (slot.n_leases - slot.n_pinned) * slot.place.kv,
                       .n_leases = slot.n_leases,
                       .load_ms = slot.load_ms,
                       .fraction = slot.load    ? slot.load->fraction
                                   : slot.model ? 1
                                                : 0};
    for (size_t id = 0; id < slot_of_.size(); ++id)
      if (slot_of_[id] == i) status.members.push_back(SpecialistId(id));
    list.push_back(std::move(status));
  }
  return list;
}

ResidencyCounters Residency::counters() const {
  const Lock lock(mutex_);
  return counters_;
}

void Residency::set_state(Slot& slot, ModelState state) {
  SAIN_CHECK(is_allowed(slot.state, state));
  slot.state = state;
}

size_t Residency::slot_of(const std::filesystem::path& file) {
  const std::filesystem::path path = canonical_path(file);
  for (size_t i = 0; i < slots_.size(); ++i)
    if (slots_[i]->file == path) return i;
  slots_.push_back(std::make_unique<Slot>());
  slots_.back()->file = path;
  return slots_.size() - 1;
}

/// Those before it that wait for room go first; a model that is in memory already costs them little, so a few pass.
bool Residency::may_go(const std::list<Waiter>::iterator& waiter, bool needs_load) const {
  return std::all_of(waiting_.cbegin(), std::list<Waiter>::const_iterator(waiter), [&](const Waiter& other) {
    return !other.wants_room || (!needs_load && other.n_overtaken < options_.max_overtakes);
  });
}

void Residency::unload(Lock& lock, const std::vector<Slot*>& slots) {
  std::vector<std::shared_ptr<const engine::Model>> models;
  for (Slot* slot : slots) {
    set_state(*slot, ModelState::kUnloading);
    models.push_back(std::move(slot->model));
    ++counters_.n_unloads;
    counters_.n_prefetches_dropped += std::exchange(slot->is_unused, false) ? 1 : 0;
  }
  lock.unlock();  // unmapping takes its time
  models.clear();
  lock.lock();
  for (Slot* slot : slots) {
    slot->cost = {};
    slot->place = {};
    set_state(*slot, ModelState::kAbsent);
  }
  changed();
}

void Residency::release(size_t slot_index, bool is_pinned) {
  Lock lock(mutex_);
  Slot& slot = *slots_[slot_index];
  --slot.n_leases;
  slot.n_pinned -= is_pinned ? 1 : 0;
  if (slot.n_leases == 0) {
    const bool is_intact = source_.is_intact == nullptr || source_.is_intact(*slot.model);
    if (slot.is_retired || !is_intact || options_.keep_loaded == KeepLoaded::kWhileLeased) return unload(lock, {&slot});
    set_state(slot, ModelState::kResident);
  }
  changed();
}

void Residency::changed() {
  ++version_;
  changed_.notify_all();
}

void Residency::wait(Lock& lock, const std::stop_token& stop, std::chrono::steady_clock::time_point deadline) {
  const uint64_t seen = version_;
  // A day is for ever, and far from where clocks overflow.
  changed_.wait_until(lock, stop, std::min(deadline, Clock::now() + std::chrono::hours(24)),
                      [&] { return version_ != seen; });
}

}  // namespace sain::router
