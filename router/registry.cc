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
    if (equal_ignoring_case(names[i], name)) return SpecialistId(i);
  if (equal_ignoring_case(assistant_name, name)) return kAssistant;
  return std::nullopt;
}

Registry::Registry(const Config& config) {
  members_.push_back(config.assistant);
  members_.insert(members_.end(), config.specialists.begin(), config.specialists.end());
  background_ = config.routing.background;
  snapshot_.assistant_name = config.assistant.name;
  for (size_t i = 0; i < members_.size(); ++i) {
    snapshot_.names.push_back(i == 0 ? "assistant" : members_[i].name);
    for (const Intent& intent : members_[i].intents) {
      snapshot_.intents.push_back(snapshot_.names[i] + "/" + intent.name);
      snapshot_.intent_owner.push_back(SpecialistId(i));
    }
  }
}

}  // namespace sain::router
