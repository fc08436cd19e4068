// Who can answer: the assistant and the specialists, and which intents belong to whom.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "router/config.h"

namespace sain::router {

/// A member by its place in RegistrySnapshot::members; the assistant is the first.
enum class SpecialistId : uint32_t {};
inline constexpr SpecialistId kAssistant{0};
constexpr size_t index(SpecialistId id) {
  return static_cast<size_t>(id);
}

/// What a decision needs to know; a value of its own, so that a decision depends on nothing that changes.
struct RegistrySnapshot {
  std::vector<std::string> names;          // by SpecialistId; names[0] is "assistant"
  std::string assistant_name;              // how the assistant calls itself
  std::vector<std::string> intents;        // "coding/regex", all members' in order
  std::vector<SpecialistId> intent_owner;  // by intent
  std::vector<SpecialistId> gone = {};     // were removed, and keep their places: they answer nothing

  bool is_gone(SpecialistId id) const { return std::ranges::find(gone, id) != gone.end(); }
  std::vector<std::string> present_names() const;

  /// By the name that stands after an @: a specialist's, "assistant" or the assistant's own, in any letter case.
  std::optional<SpecialistId> find(std::string_view name) const;
};

/// The members of a configuration. Immutable.
class Registry {
 public:
  /// A member has the same place as one of that name in `before`, if there is any, so that conversations may go on.
  explicit Registry(const Config& config, const Registry* before = nullptr);

  const RegistrySnapshot& snapshot() const { return snapshot_; }
  /// Of one that is gone: its name alone.
  const MemberConfig& member(SpecialistId id) const { return members_[index(id)]; }
  size_t size() const { return members_.size(); }
  const std::vector<std::string>& background() const { return background_; }  // see RoutingConfig

 private:
  std::vector<MemberConfig> members_;
  std::vector<std::string> background_;
  RegistrySnapshot snapshot_;
};

}  // namespace sain::router
