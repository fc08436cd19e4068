// How one form of personal data is known: a pattern, where the form has check digits a check, and words before it.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "router/privacy/personal_data.h"

namespace sain::router::privacy {

/// How many bytes from the beginning of a match are the datum; 0: it is none.
using Check = size_t (*)(std::string_view match);

/// Patterns are of PCRE2, with UTF and UCP. Every repeat has an upper bound, and none stands inside another of the same
/// characters, so a match costs a bounded time wherever it begins. Abbreviations are in rule_set.cc: {LEFT} and {RIGHT}
/// are the ends of a number, {SEP} what stands between its digits.
struct Rule {
  PersonalDataKind kind;
  PrivacyLevel alone;           // the lowest level at which the form counts by itself; kOff: never
  const char* form;             // matches the datum alone: what is before it ends in \K
  Check check = nullptr;        // none: every match counts
  const char* words = nullptr;  // one of these, in any case, at most 32 characters before it makes it count at kOn
};

std::span<const Rule> secret_rules();
std::span<const Rule> finance_rules();  // cards, accounts, wallets
std::span<const Rule> national_id_rules();
std::span<const Rule> contact_rules();  // e-mail, phone, IP, devices, birth
std::span<const Rule> place_rules();    // addresses, coordinates
std::span<const Rule> name_rules();     // those of kStrict are put to the vote

}  // namespace sain::router::privacy
