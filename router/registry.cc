#include "router/registry.h"

#include <algorithm>

namespace sain::router {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

std::optional<SpecialistId> RegistrySnapshot::find(std::string_view name) const {
  for (size_t i = 0; i < names.size(); ++i)
    if (equal_ignoring_case(names[i], name) && !is_gone(SpecialistId(i))) return SpecialistId(i);
  if (equal_ignoring_case(assistant_name, name)) return kAssistant;
  return std::nullopt;
}

std::vector<std::string> RegistrySnapshot::present_names() const {
  std::vector<std::string> present;
  for (size_t i = 0; i < names.size(); ++i)
    if (!is_gone(SpecialistId(i))) present.push_back(names[i]);
  return present;
}

Registry::Registry(const Config& config, const Registry* before) {
  background_ = config.routing.background;
  snapshot_.assistant_name = config.assistant.name;
  members_.push_back(config.assistant);
  std::vector<MemberConfig> specialists = config.specialists;
  for (size_t i = 1; before != nullptr && i < before->size(); ++i) {
    const auto same = std::ranges::find(specialists, before->members_[i].name, &MemberConfig::name);
    if (same != specialists.end()) {
      members_.push_back(std::move(*same));
      specialists.erase(same);
    } else {
      members_.push_back({.name = before->members_[i].name, .model = {}});
      snapshot_.gone.push_back(SpecialistId(i));
    }
  }
  std::ranges::move(specialists, std::back_inserter(members_));
  for (size_t i = 0; i < members_.size(); ++i) {
    snapshot_.names.push_back(i == 0 ? "assistant" : members_[i].name);
    for (const Intent& intent : members_[i].intents) {
      snapshot_.intents.push_back(snapshot_.names[i] + "/" + intent.name);
      snapshot_.intent_owner.push_back(SpecialistId(i));
    }
  }
}

}  // namespace sain::router
