#include "router/privacy/decision.h"

#include <fmt/format.h>

#include <algorithm>

namespace sain::router {

std::string_view to_string(AnswerPlace place) {
  return place == AnswerPlace::kCloud ? "cloud" : "local";
}

PrivacyDecision decide_privacy(std::span<const PersonalData> findings, PrivacyLevel level, AnswerPlace member) {
  PrivacyDecision decision;
  for (const PersonalData& data : findings) ++decision.counts[static_cast<size_t>(data.kind)];
  const bool may_leave = level == PrivacyLevel::kOff || findings.empty();
  decision.is_kept_back = member == AnswerPlace::kCloud && !may_leave;
  decision.place = decision.is_kept_back ? AnswerPlace::kLocal : member;
  return decision;
}

std::string describe(const PrivacyDecision& decision) {
  std::string text;
  for (size_t kind = 0; kind < kPersonalDataKinds; ++kind) {
    if (decision.counts[kind] == 0) continue;
    fmt::format_to(std::back_inserter(text), "{}{} {}", text.empty() ? "" : ", ", decision.counts[kind],
                   to_string(static_cast<PersonalDataKind>(kind)));
  }
  return text.empty() ? "nothing personal" : text;
}

}  // namespace sain::router
