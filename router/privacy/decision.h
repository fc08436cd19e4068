// Whether a request may leave this machine: a pure function.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "router/privacy/personal_data.h"

namespace sain::router {

enum class AnswerPlace { kLocal, kCloud };      // where the member that answers runs
std::string_view to_string(AnswerPlace place);  // "local", "cloud"

struct PrivacyDecision {
  AnswerPlace place = AnswerPlace::kLocal;  // where the request may go
  bool is_kept_back = false;                // the member is in the cloud, and the request must not go there
  std::array<uint32_t, kPersonalDataKinds> counts = {};  // of findings, by kind
};

/// A request goes to a member in the cloud only if nothing personal was found in it; at PrivacyLevel::kOff findings do
/// not count. `findings` are those of everything that would be sent: the request, the turns before it, and prompts.
PrivacyDecision decide_privacy(std::span<const PersonalData> findings, PrivacyLevel level, AnswerPlace member);

/// For people: "1 email, 2 name" or "nothing personal"; says kinds and counts, never content.
std::string describe(const PrivacyDecision& decision);

}  // namespace sain::router
