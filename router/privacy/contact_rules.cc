// How a person is reached, and when they were born.
#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <string>

#include "router/privacy/check_digits.h"
#include "router/privacy/rule.h"

namespace sain::router::privacy {
namespace {

constexpr auto kEmail = PersonalDataKind::kEmail;
constexpr auto kPhone = PersonalDataKind::kPhone;
constexpr auto kIpAddress = PersonalDataKind::kIpAddress;
constexpr auto kDeviceId = PersonalDataKind::kDeviceId;
constexpr auto kBirthDate = PersonalDataKind::kBirthDate;
constexpr auto kOff = PrivacyLevel::kOff, kOn = PrivacyLevel::kOn, kStrict = PrivacyLevel::kStrict;

/// Six to fifteen digits (ITU-T E.164), which are no date, decimal fraction or dotted quad.
size_t phone(std::string_view match) {
  const std::string digits = digits_of(match);
  if (digits.size() < 6 || digits.size() > 20) return 0;  // an extension included
  const auto count = [&](char c) { return std::ranges::count(match, c); };
  if (count('.') == 1 && count(' ') + count('-') == 0) return 0;
  const bool is_iso_date = digits.size() == 8 && match.size() == 10 && match[4] == match[7] && match[4] != ' ' &&
                           (match.starts_with("19") || match.starts_with("20"));
  const auto is_year = [](std::string_view four) { return four.starts_with("19") || four.starts_with("20"); };
  const bool is_span_of_years = match.size() == 9 && is_year(match) && is_year(match.substr(5)) && digits.size() == 8;
  if (is_iso_date || is_span_of_years) return 0;
  const std::string text(match);
  in_addr ignored;
  return inet_pton(AF_INET, text.c_str(), &ignored) == 1 ? 0 : match.size();
}

/// Behind a + or 00: a digit above 1 tells it from a binary number.
size_t international_phone(std::string_view match) {
  const std::string digits = digits_of(match);
  const bool plain = digits.find_first_of("23456789") != std::string::npos;
  return digits.size() >= (match[0] == '+' ? 8u : 11u) && plain ? phone(match) : 0;
}

/// Alone: it begins as phone numbers do, or has their groups, or the length of most.
size_t bare_phone(std::string_view match) {
  const auto groups = std::ranges::count_if(match, [](char c) { return c == ' ' || c == '-' || c == '.' || c == '/'; });
  const bool likely =
      match[0] == '0' || match[0] == '(' || match[0] == '+' || groups >= 2 || digits_of(match).size() == 10;
  return likely ? phone(match) : 0;
}

/// An address on the Internet that is somebody's: not private, local, reserved, for documentation or a known resolver.
size_t public_ipv4(std::string_view match) {
  const std::string text(match);
  in_addr address;
  if (inet_pton(AF_INET, text.c_str(), &address) != 1) return 0;
  struct Range {
    uint32_t prefix;
    int bits;
  };
  constexpr Range kNobodys[] = {{0x00000000, 8},  {0x0A000000, 8},  {0x7F000000, 8},  {0xA9FE0000, 16},
                                {0xAC100000, 12}, {0xC0A80000, 16}, {0xE0000000, 3},  {0xC0000200, 24},
                                {0xC6336400, 24}, {0xCB007100, 24}, {0x01010101, 32}, {0x08080808, 32}};
  const uint32_t host = ntohl(address.s_addr);
  const bool nobodys =
      std::ranges::any_of(kNobodys, [host](Range range) { return (host ^ range.prefix) >> (32 - range.bits) == 0; });
  // All parts below 32 is rather the version of a program.
  return nobodys || (host & 0xE0E0E0E0) == 0 ? 0 : match.size();
}

size_t ipv4(std::string_view match) {
  in_addr ignored;
  return inet_pton(AF_INET, std::string(match).c_str(), &ignored) == 1 ? match.size() : 0;
}

/// At least four groups, so that no scope of C++ is one; a mask behind it stays out.
size_t ipv6(std::string_view match) {
  in6_addr ignored;
  const bool valid = inet_pton(AF_INET6, std::string(match).c_str(), &ignored) == 1;
  return valid && std::ranges::count(match, ':') >= 3 && digits_of(match).size() >= 2 ? match.size() : 0;
}

size_t imei(std::string_view match) {
  return luhn(digits_of(match)) ? match.size() : 0;
}

constexpr const char* kPhoneWords =
    "phone(?: ?(?:no|number))?|tel|telephone|telefon|telefoon|téléphone|teléfono|telefono|telefone|mobile|mobil|móvil|"
    "handy|cell|cellphone|fax|whatsapp|signal|sms|call(?: me| us| him| her| them)?|dial|ring|text me|text him|text "
    "her|reach|"
    "answering|contact|messages? to|my number|his number|her number|number is|desk|office|hotline|registered";
constexpr const char* kPhoneForm =
    "(?<![\\w.$€£]|[0-9]-)(?!{DATE}(?![./-][0-9]))(?:\\+|00)?\\(?[0-9](?:{SEP}{0,2}[()/]?{SEP}?[0-9]){5,14}\\)?"
    "(?:\\h?(?:x|ext\\.?)\\h?[0-9]{1,5})?(?![\\w%€£$]|[.,][0-9])";
constexpr const char* kBirthWords =
    "birth|births|born|birthday|birthdate|dob|d\\.o\\.b|b-day|bday|geboren|geburtstag|geburtsdatum|né|née|naissance|"
    "nacid[oa]|"
    "nacimiento|nat[oa]|nascita|nascid[oa]|nascimento|geboortedatum|urodzon[ya]|syntynyt|född";

constexpr Rule kRules[] = {
    {kEmail, kOn,
     "(?<!\\w)(?!git@)[\\p{L}0-9_](?:[\\p{L}0-9._%+'-]{0,127})@(?:[\\p{L}0-9](?:[\\p{L}0-9-]{0,62})\\.){1,8}"
     "\\p{L}{2,24}(?!\\w)"},
    {kEmail, kOn,
     "(?i:(?<![\\w.])[\\w.+-]{2,64} ?(?:\\(at\\)|\\[at\\]|\\{at\\}) ?[\\w.-]{2,63} ?(?:(?:\\(dot\\)|\\[dot\\]|"
     "\\{dot\\}|\\bdot\\b|\\.) ?[a-z]{2,10}\\b))"},
    {kEmail, kOff, "(?i:(?<![\\w.])[\\w.+-]{2,64} at [\\w-]{2,63} dot [a-z]{2,10}\\b)", nullptr,
     "e-?mail|mail|write to|reach"},
    {kPhone, kOn,
     "(?<![\\w.-])(?:(?:\\+|00)?1[-. ]?)?(?:\\([2-9][0-9]{2}\\)\\h?|[2-9][0-9]{2}[-.])[0-9]{3}[-.][0-9]{4}"
     "(?:\\h?(?:x|ext\\.?)\\h?[0-9]{1,5})?(?![\\w-]|\\.[0-9])"},
    {kPhone, kOn,
     "(?<![\\w.+])(?:\\+|00)[1-9](?:{SEP}?[()/]?{SEP}?[0-9]){7,14}(?:\\h?(?:x|ext\\.?)\\h?[0-9]{1,5})?{RIGHT}",
     international_phone},
    // An area code in brackets; a 0 before nine to ten digits more: no number of anything else is written so.
    {kPhone, kOn, "(?<![\\w.])\\((?:0?[1-9][0-9]{1,3})\\)\\h?[0-9]{3,4}[- ]?[0-9]{3,4}{RIGHT}", phone},
    {kPhone, kOn, "(?<![\\w.$€£+-])0[1-9](?:[ /-]?[0-9]){8,9}{RIGHT}", phone},
    {kPhone, kStrict, kPhoneForm, bare_phone},
    {kPhone, kOff, kPhoneForm, phone, kPhoneWords},
    {kPhone, kOn,
     "(?<![\\w.])[0-9(](?:[ ()/.-]{0,2}[0-9]){5,14}(?=\\h?[-(]?(?i:office|fax|mobile|home|cell|desk|work)\\b)", phone},
    {kIpAddress, kOn, "(?<![\\w.-])(?:[0-9]{1,3}\\.){3}[0-9]{1,3}(?!\\w|\\.[0-9]|-)", public_ipv4},
    {kIpAddress, kStrict, "(?<![\\w.])(?:[0-9]{1,3}\\.){3}[0-9]{1,3}(?!\\w|\\.[0-9])", ipv4,
     "ip|ips|ip address|client_ip"},
    {kIpAddress, kOn, "(?<![\\w:.])[0-9A-Fa-f:]{6,39}(?![\\w:])", ipv6},
    {kDeviceId, kOn, "(?<![\\w:-])(?!(?:00[:-]){5}|(?i:ff[:-]){5})(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}(?![\\w:-])"},
    {kDeviceId, kOn, "(?<![\\w:-])(?:[0-9A-Fa-f]{2}-){5}[0-9A-Fa-f]{2}(?![\\w:-])"},
    {kDeviceId, kOff, "{LEFT}[0-9]{2}[ -]?[0-9]{6}[ -]?[0-9]{6}[ -]?[0-9]{RIGHT}", imei, "imei"},
    {kBirthDate, kOff, "{DATE}", nullptr, kBirthWords},
    {kBirthDate, kStrict,
     "(?i:\\b(?:birth|births|born|birthday|birthdate|dob|bday|geboren|geburtsdatum|née?|nacid[oa])\\b)"
     "[^\\n]{0,96}?\\K{DATE}"},
    {kBirthDate, kStrict, "{DATE}(?=[^\\n]{0,48}?(?i:\\b(?:birth|births|born|birthday|birthdate|dob|bday)\\b))"},
};

}  // namespace

std::span<const Rule> contact_rules() {
  return kRules;
}

}  // namespace sain::router::privacy
