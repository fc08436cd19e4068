// What in a text is about a private person, or is a secret: where it lies and of which kind.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sain::router {

enum class PersonalDataKind {
  kSecret,  // passwords, keys of services, private keys, PINs; the first kinds win where two lie at one place
  kPaymentCard,
  kBankAccount,
  kWallet,      // of a cryptocurrency
  kNationalId,  // of a person: identity, tax, social insurance, health, passport, driver's licence
  kEmail,
  kPhone,
  kIpAddress,
  kDeviceId,   // MAC address, IMEI
  kBirthDate,  // of a person
  kPostalAddress,
  kLocation,  // geographic coordinates
  kName,      // of a private person
};
inline constexpr size_t kPersonalDataKinds = 13;

/// "secret", "payment_card", "bank_account", "wallet", "national_id", "email", "phone", "ip_address", "device_id",
/// "birth_date", "postal_address", "location", "name".
std::string_view to_string(PersonalDataKind kind);

enum class PrivacyLevel {
  kOff,     // nothing is looked for
  kOn,      // what is surely personal: by check digits, by a form that nothing else has, or by the words before it
  kStrict,  // what may be: any number that looks like a phone's, any line like an address, any capitalised name
};
std::string_view to_string(PrivacyLevel level);  // "off", "on", "strict"
std::optional<PrivacyLevel> find_privacy_level(std::string_view name);

/// Bytes [begin, end) of a text.
struct PersonalData {
  PersonalDataKind kind = PersonalDataKind::kSecret;
  size_t begin = 0;
  size_t end = 0;

  bool operator==(const PersonalData&) const = default;
};

/// The probability, 0 to 1, that `candidate`, a part of `text`, is the name of a private person; negative: no opinion.
using NameVote = std::function<double(std::string_view text, std::string_view candidate)>;

struct PersonalDataOptions {
  PrivacyLevel level = PrivacyLevel::kOn;
  /// Asked about names that only their form gives away, at most kMaxNameVotes times a text. Where it has an opinion,
  /// that decides: kOn takes 0.9 and above, kStrict 0.1 and above. Else these count at kStrict alone. May be empty.
  NameVote name_vote = {};
};
inline constexpr size_t kMaxNameVotes = 16;

/// All that is found, by position, without overlaps. Time is linear in the text, which may hold any bytes; where a
/// pattern gives up, the rest of the text counts as found. Thread-safe.
std::vector<PersonalData> find_personal_data(std::string_view text, const PersonalDataOptions& options = {});

/// `text` with "[email]" and the like in place of what was found in it.
std::string redact(std::string_view text, const std::vector<PersonalData>& findings);

}  // namespace sain::router
