// Any bytes as a text: findings are sorted, apart and inside of it; what is left when they are taken out has none of
// the surest kinds; at strict there is all that there is at on.
#include <algorithm>
#include <cstdint>
#include <string_view>

#include "formats/result.h"
#include "router/privacy/decision.h"
#include "router/privacy/personal_data.h"

namespace {

using namespace sain::router;

bool covers(const std::vector<PersonalData>& findings, const PersonalData& data) {
  return std::ranges::any_of(
      findings, [&](const PersonalData& other) { return other.begin <= data.begin && data.end <= other.end; });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const auto sure = find_personal_data(text), strict = find_personal_data(text, {.level = PrivacyLevel::kStrict});
  for (const auto& findings : {sure, strict}) {
    size_t end = 0;
    for (const PersonalData& data : findings) {
      SAIN_CHECK(data.begin >= end && data.begin < data.end && data.end <= size);
      end = data.end;
    }
    SAIN_CHECK(decide_privacy(findings, PrivacyLevel::kOn, AnswerPlace::kCloud).is_kept_back == !findings.empty());
    SAIN_CHECK(redact(text, findings).size() >= size - std::min(size, end));
  }
  for (const PersonalData& data : sure) SAIN_CHECK(covers(strict, data));
  return 0;
}
