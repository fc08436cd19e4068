// What opens a door: keys, tokens, passwords.
#include <algorithm>
#include <cctype>

#include "router/privacy/rule.h"

namespace sain::router::privacy {
namespace {

constexpr auto kSecret = PersonalDataKind::kSecret;
constexpr auto kOff = PrivacyLevel::kOff, kOn = PrivacyLevel::kOn, kStrict = PrivacyLevel::kStrict;

/// The value of an assignment, unless it is code or stands for a value: at least six characters, not all of one sort.
size_t looks_secret(std::string_view match) {
  constexpr std::string_view kPlaceholders[] = {"your",   "example",     "changeme", "xxx",   "***",
                                                "...",    "placeholder", "none",     "null",  "environ",
                                                "getenv", "process.",    "password", "secret"};
  std::string lower(match);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const std::string_view placeholder : kPlaceholders) {
    if (lower.find(placeholder) != std::string::npos && match.size() < 24) return 0;
  }
  if (match.find_first_of("()[]{}<>") != std::string_view::npos || match[0] == '$') return 0;
  const auto has = [&](int (*is)(int)) {
    return std::ranges::any_of(match, [is](unsigned char c) { return is(c) != 0; });
  };
  return has(std::isdigit) + has(std::isalpha) + has(std::ispunct) >= 2 ? match.size() : 0;
}

constexpr Rule kRules[] = {
    {kSecret, kOn, "-----BEGIN [A-Z ]{0,24}PRIVATE KEY(?: BLOCK)?-----[^-]{0,16384}(?:-----END [A-Z ]{0,24}-----)?"},
    {kSecret, kOn, "\\b(?:AKIA|ASIA|AROA)[0-9A-Z]{16}\\b"},  // Amazon
    {kSecret, kOn, "\\bgh[opsur]_[A-Za-z0-9]{36,255}\\b"},   // GitHub
    {kSecret, kOn, "\\bgithub_pat_[A-Za-z0-9_]{22,255}\\b"},
    {kSecret, kOn, "\\bglpat-[A-Za-z0-9_-]{20,64}"},                         // GitLab
    {kSecret, kOn, "\\bxox[abprs]-[A-Za-z0-9-]{10,128}"},                    // Slack
    {kSecret, kOn, "\\bsk-(?=[A-Za-z_-]{0,64}[0-9])[A-Za-z0-9_-]{20,200}"},  // OpenAI, Anthropic and others
    {kSecret, kOn, "\\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,128}\\b"},         // Stripe
    {kSecret, kOn, "\\bAIza[A-Za-z0-9_-]{35}"},                              // Google
    {kSecret, kOn, "\\bya29\\.[A-Za-z0-9_-]{20,512}"},
    {kSecret, kOn, "\\bhf_[A-Za-z0-9]{30,64}\\b"},  // Hugging Face
    {kSecret, kOn, "\\b(?:npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,255})\\b"},
    {kSecret, kOn, "\\bSG\\.[A-Za-z0-9_-]{16,32}\\.[A-Za-z0-9_-]{32,64}"},                             // SendGrid
    {kSecret, kOn, "\\beyJ[A-Za-z0-9_-]{8,4096}\\.eyJ[A-Za-z0-9_-]{8,4096}\\.[A-Za-z0-9_-]{8,1024}"},  // JSON web token
    {kSecret, kOn, "\\b[a-z][a-z0-9+.-]{1,20}://[^\\s:/@]{0,64}:\\K[^\\s:/@]{3,128}(?=@)", looks_secret},
    {kSecret, kOn, "(?i:\\bAuthorization: ?(?:Bearer|Basic|Token) )\\K[A-Za-z0-9._~+/=-]{12,2048}"},
    {kSecret, kOn, "{SECRET}\\h{0,8}(?:=>|:=|=|:|\\bis\\b)\\h{0,8}[\"'`]\\K[^\\s\"'`]{6,1024}(?=[\"'`])", looks_secret},
    {kSecret, kOn, "{SECRET}\\h{0,8}(?:=|:|\\bis\\b:?)\\h{0,8}\\K[^\\s\"'`,;]{6,1024}(?<![.?!])", looks_secret},
    {kSecret, kStrict, "{SECRET}\\h{0,8}(?:=|:|\\bis\\b:?)\\h{0,8}\\K[^\\s\"'`,;()]{4,1024}(?<![.?!])"},
    {kSecret, kOff, "\\b[0-9]{4,8}\\b", nullptr, "pin(?: ?(?:code|number))? ?(?:is|:|=)|my pin|one[- ]time code|otp"},
};

}  // namespace

std::span<const Rule> secret_rules() {
  return kRules;
}

}  // namespace sain::router::privacy
