// The room of a Residency: what is taken, and which models go for others.
#include <algorithm>
#include <limits>

#include "router/residency.h"

namespace sain::router {

/// Somebody waits for it who may still pass those before him: so it stays, and all who need it are served by one load.
bool Residency::is_wanted(const Slot& slot) const {
  unsigned n_overtaken = 0;
  for (const Waiter& waiter : waiting_) {
    if (waiter.slot == &slot && n_overtaken < options_.max_overtakes) return true;
    n_overtaken = std::max(n_overtaken, waiter.n_overtaken);
  }
  return false;
}

/// On the device where it could have room there beside what is pinned.
ModelPlace Residency::place(const ModelCost& cost) const {
  const bool can_go_there = cost.device_weights_bytes > 0 && cost.device_weights_bytes <= device_room(cost);
  return can_go_there ? on_device(cost, cost.device_weights_bytes) : on_host(cost);
}

/// What its weights can have there, with a KV cache beside them.
uint64_t Residency::device_room(const ModelCost& cost) const {
  return (budget_locked() - pinned() - MemoryBytes{.device = cost.kv_bytes}).device;
}

/// A model has been loaded, of whose weights the device took `device_bytes`, maybe fewer than was expected: the rest is
/// here, and idle models go for it. Where others are leased more is in use than should be until they end. An error: it
/// can never be so, or it was loaded ahead and is worth less than what would have to go.
std::optional<Error> Residency::settle(Lock& lock, Slot& slot, const Load& load, uint64_t device_bytes) {
  // A device's blocks of memory are rounded: what is beyond the room nobody could wait for.
  slot.place = device_bytes > 0 ? on_device(slot.cost, std::min(device_bytes, load.device_room)) : on_host(slot.cost);
  const bool is_pinned = slot.n_pinned > 0;
  const MemoryBytes taken = is_pinned ? pinned() - slot.place.weights : pinned();
  const MemoryBytes needed = slot.place.weights + (is_pinned ? MemoryBytes{} : slot.place.kv);
  if (!(needed + taken).fits(budget_locked())) return never_fits(slot, needed, taken);
  if (used_locked().fits(budget_locked())) return std::nullopt;
  const double limit = load.is_idle ? worth(slot, slot.cost) : std::numeric_limits<double>::infinity();
  const std::vector<Slot*> victims = find_victims(slot, {}, limit);
  if (victims.empty() && load.is_idle)
    return make_error(ErrorCode::kResourceExhausted, "{}: loaded ahead without room", slot.file.string());
  if (!victims.empty()) unload(lock, victims);
  return std::nullopt;
}

/// Nor beside what is `taken` for ever.
Error Residency::never_fits(const Slot& slot, const MemoryBytes& needed, const MemoryBytes& taken) const {
  const MemoryBytes budget = budget_locked();
  const bool is_host = needed.host + taken.host > budget.host;
  const auto mib = [&](const MemoryBytes& bytes) { return (is_host ? bytes.host : bytes.device) >> 20; };
  return make_error(ErrorCode::kResourceExhausted,
                    "{}: needs {} MiB of weights and KV cache{}; {} of the budget of {} MiB are pinned",
                    slot.file.string(), mib(needed), is_host ? "" : " on the device", mib(taken), mib(budget));
}

/// Idle models whose going makes room, those that cost the least a byte of what is short; none where they cost `limit`
/// or more together, or are not enough.
std::vector<Residency::Slot*> Residency::find_victims(const Slot& slot, const MemoryBytes& needed, double limit) const {
  const MemoryBytes budget = budget_locked();
  MemoryBytes used = used_locked() + needed;
  const bool is_host_short = used.host > budget.host, is_device_short = used.device > budget.device;
  const auto freed = [&](const Slot& other) {
    return (is_host_short ? other.place.weights.host : 0) + (is_device_short ? other.place.weights.device : 0);
  };
  std::vector<Slot*> idle, victims;
  for (const auto& other : slots_)
    if (other.get() != &slot && other->state == ModelState::kResident && freed(*other) > 0 && !is_wanted(*other))
      idle.push_back(other.get());
  std::ranges::sort(idle, {}, [&](const Slot* s) { return worth(*s, s->cost) / static_cast<double>(freed(*s)); });
  for (Slot* other : idle) {
    if (used.fits(budget)) break;
    used = used - other->place.weights;
    victims.push_back(other);
  }
  if (!used.fits(budget)) return {};
  double cost = 0;
  for (size_t i = victims.size(); i-- > 0;) {  // the last one may have made the others needless
    if (const MemoryBytes with = used + victims[i]->place.weights; with.fits(budget)) {
      used = with;
      victims.erase(victims.begin() + static_cast<ptrdiff_t>(i));
    } else {
      cost += worth(*victims[i], victims[i]->cost);
    }
  }
  return cost < limit ? victims : std::vector<Slot*>{};
}

/// The time that having it is expected to save, in bytes that need not be read: what a load takes goes with them, and a
/// time that was measured says more of what the page cache held then. Without a forecast what was used last is worth
/// most.
double Residency::worth(const Slot& slot, const ModelCost& cost) const {
  return static_cast<double>(cost.weights_bytes) *
         (probability(slot) + 1e-3 / static_cast<double>(1 + clock_ - slot.last_used));
}

double Residency::probability(const Slot& slot) const {
  double sum = 0;
  for (size_t id = 0; id < std::min(slot_of_.size(), forecast_.size()); ++id)
    if (slots_[slot_of_[id]].get() == &slot) sum += forecast_[id];
  return sum;
}

MemoryBytes Residency::used_locked() const {
  MemoryBytes used;
  for (const auto& slot : slots_)
    used = used + slot->place.weights + (slot->n_leases - slot->n_pinned) * slot->place.kv;
  return used;
}

/// What no waiting brings back.
MemoryBytes Residency::pinned() const {
  MemoryBytes bytes;
  for (const auto& slot : slots_)
    if (slot->n_pinned > 0) bytes = bytes + slot->place.weights;
  return bytes;
}

}  // namespace sain::router
