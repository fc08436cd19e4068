// The room of a Residency: what is taken, and which models go for others.
#include <algorithm>

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

/// Idle models whose going makes room, those that cost the least a byte; none where they cost `limit` or more together,
/// or are not enough.
std::vector<Residency::Slot*> Residency::find_victims(const Slot& slot, uint64_t needed, double limit) const {
  std::vector<Slot*> idle, victims;
  for (const auto& other : slots_)
    if (other.get() != &slot && other->state == ModelState::kResident && !is_wanted(*other))
      idle.push_back(other.get());
  std::ranges::sort(idle, {}, [&](const Slot* s) {
    return worth(*s, s->cost) / static_cast<double>(std::max<uint64_t>(1, s->cost.weights_bytes));
  });
  uint64_t used = used_bytes_locked() + needed;
  for (Slot* other : idle) {
    if (used <= options_.budget_bytes) break;
    used -= other->cost.weights_bytes;
    victims.push_back(other);
  }
  if (used > options_.budget_bytes) return {};
  double cost = 0;
  for (size_t i = victims.size(); i-- > 0;) {  // the last one may have made the others needless
    if (used + victims[i]->cost.weights_bytes <= options_.budget_bytes) {
      used += victims[i]->cost.weights_bytes;
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

uint64_t Residency::used_bytes_locked() const {
  uint64_t used = 0;
  for (const auto& slot : slots_)
    used += slot->cost.weights_bytes + (slot->n_leases - slot->n_pinned) * slot->cost.kv_bytes;
  return used;
}

/// What no waiting brings back.
uint64_t Residency::pinned_bytes() const {
  uint64_t bytes = 0;
  for (const auto& slot : slots_)
    if (slot->n_pinned > 0) bytes += slot->cost.weights_bytes;
  return bytes;
}

}  // namespace sain::router
