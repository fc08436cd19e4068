// Numbers that a state gives to a person. The check of each is the one that its state publishes.
#include <algorithm>
#include <array>

#include "router/privacy/check_digits.h"
#include "router/privacy/rule.h"

namespace sain::router::privacy {
namespace {

using Weights = std::array<int8_t, 13>;  // 0 behind the last

size_t all_if(bool valid, std::string_view match) {
  return valid ? match.size() : 0;
}

/// Whether the weighted sum of all digits is a multiple of the modulus.
template <Weights kWeights, int kModulus>
size_t weighted(std::string_view match) {
  return all_if(weighted_remainder(digits_of(match), kWeights, kModulus) == 0, match);
}

size_t luhn_check(std::string_view match) {
  return all_if(luhn(digits_of(match)), match);
}

/// "DDMMYY" as "YYMMDD".
std::string turned(std::string_view ddmmyy) {
  return std::string(ddmmyy.substr(4, 2)) + std::string(ddmmyy.substr(2, 2)) + std::string(ddmmyy.substr(0, 2));
}

// Spain, DNI and NIE: the letter is the number modulo 23; X, Y, Z stand for 0, 1, 2.
size_t spain(std::string_view match) {
  std::string text = letters_and_digits_of(match);
  if (text[0] >= 'X') text[0] = static_cast<char>(text[0] - 'X' + '0');
  const uint32_t rest = remainder(std::string_view(text).substr(0, 8), 23);
  return all_if("TRWAGMYFPDXBNJZSQVHLCKE"[rest] == text[8], match);
}

// Germany, Steuer-ID: one of the first ten digits comes twice or three times, no other does.
size_t germany(std::string_view match) {
  const std::string digits = digits_of(match);
  std::array<int, 10> counts = {};
  for (const char c : digits.substr(0, 10)) ++counts[static_cast<size_t>(c - '0')];
  const auto repeated = std::ranges::count_if(counts, [](int n) { return n > 1; });
  return all_if(repeated == 1 && std::ranges::max(counts) <= 3 && iso_7064_mod_11_10(digits), match);
}

// France, NIR: 97 less the number modulo 97; Corsica's departments 2A and 2B count as 19 and 18.
size_t france(std::string_view match) {
  std::string text = letters_and_digits_of(match);
  if (const size_t corsica = text.find_first_of("AB"); corsica != std::string::npos) {
    text.replace(corsica - 1, 2, text[corsica] == 'A' ? "19" : "18");
  }
  const std::string_view all = text;
  return all_if(97 - remainder(all.substr(0, 13), 97) == remainder(all.substr(13), 100), match);
}

// Italy, codice fiscale: odd places have values of their own, even ones their place in the alphabet.
size_t italy(std::string_view match) {
  constexpr std::array<uint8_t, 26> kOdd = {1,  0,  5, 7, 9, 13, 15, 17, 19, 21, 2,  4,  18,
                                            20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23};
  const std::string text = letters_and_digits_of(match);
  uint32_t sum = 0;
  for (size_t i = 0; i < 15; ++i) {
    const auto place = static_cast<size_t>(text[i] >= 'A' ? text[i] - 'A' : text[i] - '0');
    sum += i % 2 == 0 ? kOdd[place] : static_cast<uint32_t>(place);
  }
  return all_if(sum % 26 == static_cast<uint32_t>(text[15] - 'A'), match);
}

// Brazil, CPF: two digits, each the sum times 10 modulo 11, where 10 counts as 0.
size_t brazil(std::string_view match) {
  constexpr std::array<int8_t, 10> kSecond = {11, 10, 9, 8, 7, 6, 5, 4, 3, 2};
  const std::string digits = digits_of(match);
  if (digits.find_first_not_of(digits[0]) == std::string::npos) return 0;
  const auto first_weights = std::span(kSecond).subspan(1);
  const int first = weighted_remainder(digits, first_weights, 11) * 10 % 11 % 10;
  const int second = weighted_remainder(digits, kSecond, 11) * 10 % 11 % 10;
  return all_if(first == digits[9] - '0' && second == digits[10] - '0', match);
}

// Poland, PESEL: a date whose month says the century, too.
size_t poland(std::string_view match) {
  const std::string digits = digits_of(match);
  const int month = ((digits[2] - '0') * 10 + digits[3] - '0') % 20;
  const int day = (digits[4] - '0') * 10 + digits[5] - '0';
  const bool is_date = month >= 1 && month <= 12 && day >= 1 && day <= 31;
  return is_date ? weighted<Weights{1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1}, 10>(match) : 0;
}

// Turkey: the tenth digit checks odd places against even ones, the eleventh all before it.
size_t turkey(std::string_view match) {
  const std::string digits = digits_of(match);
  constexpr Weights kTenth = {7, -1, 7, -1, 7, -1, 7, -1, 7, -1}, kEleventh = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1};
  return all_if(weighted_remainder(digits, kTenth, 10) == 0 && weighted_remainder(digits, kEleventh, 10) == 0, match);
}

// Norway: a date and two check digits; 4 more in the first digit is a temporary number.
size_t norway(std::string_view match) {
  std::string digits = digits_of(match);
  constexpr Weights kFirst = {3, 7, 6, 1, 8, 9, 4, 5, 2, 1}, kSecond = {5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1};
  const bool valid = weighted_remainder(digits, kFirst, 11) == 0 && weighted_remainder(digits, kSecond, 11) == 0;
  if (digits[0] >= '4') digits[0] = static_cast<char>(digits[0] - 4);
  return all_if(valid && is_day(turned(digits)), match);
}

// Sweden: a date (60 more in the day: a coordination number) and Luhn's digit.
size_t sweden(std::string_view match) {
  std::string digits = digits_of(match);
  digits.erase(0, digits.size() - 10);  // the century
  const bool valid = luhn(digits);
  if (digits[4] >= '6') digits[4] = static_cast<char>(digits[4] - 6);
  return all_if(valid && is_day(std::string_view(digits).substr(0, 6)), match);
}

// Finland: the number without its sign of the century, modulo 31.
size_t finland(std::string_view match) {
  const std::string digits = digits_of(match.substr(0, match.size() - 1));
  const char expected = "0123456789ABCDEFHJKLMNPRSTUVWXY"[remainder(digits, 31)];
  return all_if(is_day(turned(digits)) && match.back() == expected, match);
}

// Belgium: 97 less the number modulo 97, with a 2 before it for those born since 2000.
size_t belgium(std::string_view match) {
  const std::string digits = digits_of(match);
  const std::string number = digits.substr(0, 9);
  const uint32_t check = remainder(digits.substr(9), 100);
  return all_if(97 - remainder(number, 97) == check || 97 - remainder("2" + number, 97) == check, match);
}

// Portugal, NIF, and Japan, My Number: 11 less the rest, where more than 9 counts as 0.
template <Weights kWeights>
size_t eleven_less_rest(std::string_view match) {
  const std::string digits = digits_of(match);
  const int rest = weighted_remainder(std::string_view(digits).substr(0, digits.size() - 1), kWeights, 11);
  return all_if((rest <= 1 ? 0 : 11 - rest) == digits.back() - '0', match);
}

// Chile, RUT: weights 2 to 7 from the right; 11 is 0 and 10 is K.
size_t chile(std::string_view match) {
  const std::string text = letters_and_digits_of(match);
  uint32_t sum = 0;
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    sum += static_cast<uint32_t>(text[text.size() - 2 - i] - '0') * static_cast<uint32_t>(2 + i % 6);
  }
  return all_if("0K987654321"[sum % 11] == text.back(), match);
}

size_t china(std::string_view match) {
  return all_if(iso_7064_mod_11_2(match) && is_day(match.substr(8, 6)), match);
}
size_t india(std::string_view match) {
  return all_if(verhoeff(digits_of(match)), match);
}
size_t croatia(std::string_view match) {
  return all_if(iso_7064_mod_11_10(match), match);
}
size_t south_africa(std::string_view match) {
  return is_day(match.substr(0, 6)) ? luhn_check(match) : 0;
}
size_t korea(std::string_view match) {
  return all_if(is_day(match.substr(0, 6)), match);
}
size_t denmark(std::string_view match) {
  return all_if(is_day(turned(match)), match);
}

constexpr const char* kThreeTimesThree = "{LEFT}[0-9]{3}{SEP}?[0-9]{3}{SEP}?[0-9]{3}{RIGHT}";
constexpr const char* kElevenDigits = "{LEFT}[1-9][0-9]{10}{RIGHT}";
constexpr auto kNationalId = PersonalDataKind::kNationalId;
constexpr auto kOff = PrivacyLevel::kOff, kOn = PrivacyLevel::kOn, kStrict = PrivacyLevel::kStrict;

// A number whose check one in ten passes by chance needs words to count at kOn.
constexpr Rule kRules[] = {
    {kNationalId, kOn, "{LEFT}(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}{RIGHT}"},         // US, SSN
    {kNationalId, kOn, "{LEFT}9[0-9]{2}-(?:5[0-9]|6[0-5]|7[0-9]|8[0-8]|9[0-24-9])-[0-9]{4}{RIGHT}"},  // US, ITIN
    {kNationalId, kOff, "{LEFT}[0-9]{3}{SEP}?[0-9]{2}{SEP}?[0-9]{4}{RIGHT}", nullptr,
     "ssn|social security|itin|tax id"},
    {kNationalId, kOn,
     "{LEFT}(?![DFIQUV]|BG|GB|KN|NK|NT|TN|ZZ)[A-Z](?![DFIQUVO])[A-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]{RIGHT}"},
    {kNationalId, kStrict, "{LEFT}[0-9]{3}{SEP}?[0-9]{3}{SEP}?[0-9]{4}{RIGHT}",
     weighted<Weights{10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, 11>, "nhs"},
    {kNationalId, kOn, "{LEFT}(?:[0-9]{8}|[XYZxyz]-?[0-9]{7})-?[A-HJ-NP-TV-Za-hj-np-tv-z]{RIGHT}", spain},
    {kNationalId, kStrict, "{LEFT}[1-9][0-9]{1,2}(?: ?[0-9]{3}){2,3}{RIGHT}",
     [](std::string_view match) { return digits_of(match).size() == 11 ? germany(match) : 0; },
     "steuer-?id(?:nr|entifikationsnummer)?|steuernummer|idnr|tax id"},
    {kNationalId, kOn,
     "{LEFT}[12] ?[0-9]{2} ?(?:0[1-9]|1[0-2]|[2-9][0-9]) ?(?:[0-9]{2}|2[AB]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}{RIGHT}",
     france},
    {kNationalId, kOn,
     "{LEFT}(?i:[A-Z]{6}[0-9LMNPQRSTUV]{2}[ABCDEHLMPRST][0-9LMNPQRSTUV]{2}[A-Z][0-9LMNPQRSTUV]{3}[A-Z]){RIGHT}", italy},
    {kNationalId, kStrict, kThreeTimesThree, weighted<Weights{9, 8, 7, 6, 5, 4, 3, 2, -1}, 11>,
     "bsn|burgerservicenummer|sofi(?:nummer)?"},
    {kNationalId, kOn, "{LEFT}[0-9]{3}\\.[0-9]{3}\\.[0-9]{3}-[0-9]{2}{RIGHT}", brazil},
    {kNationalId, kStrict, "{LEFT}[0-9]{11}{RIGHT}", brazil, "cpf"},
    {kNationalId, kStrict, "{LEFT}[0-9]{11}{RIGHT}", poland, "pesel"},
    {kNationalId, kStrict, kElevenDigits, turkey, "t\\.?c\\.? ?kimlik|kimlik no"},
    {kNationalId, kOn, "{LEFT}[0-7][0-9]{5} ?[0-9]{5}{RIGHT}", norway},
    {kNationalId, kOn, "{LEFT}(?:19|20)?[0-9]{6}[-+][0-9]{4}{RIGHT}", sweden},
    {kNationalId, kOn, "{LEFT}[0-3][0-9][01][0-9]{3}[-+A-FU-Y][0-9]{3}[0-9A-FHJ-NPR-Y]{RIGHT}", finland},
    {kNationalId, kStrict, "{LEFT}[0-3][0-9][01][0-9]{3}-[0-9]{4}{RIGHT}", denmark, "cpr(?:-nummer|-nr)?|personnummer"},
    {kNationalId, kOn, "{LEFT}[0-9]{2}\\.[0-9]{2}\\.[0-9]{2}-[0-9]{3}\\.[0-9]{2}{RIGHT}", belgium},
    {kNationalId, kStrict, "{LEFT}[0-9]{11}{RIGHT}", belgium, "rijksregister(?:nummer)?|registre national"},
    {kNationalId, kOn, "{LEFT}756\\.?[0-9]{4}\\.?[0-9]{4}\\.?[0-9]{2}{RIGHT}",
     weighted<Weights{1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1}, 10>},  // Switzerland, AHV
    {kNationalId, kStrict, "{LEFT}[1-35689][0-9]{8}{RIGHT}", eleven_less_rest<Weights{9, 8, 7, 6, 5, 4, 3, 2}>,
     "nif|contribuinte"},
    {kNationalId, kOn, "{LEFT}[2-9][0-9]{3} [0-9]{4} [0-9]{4}(?! ?[0-9]){RIGHT}", india},
    {kNationalId, kStrict, "{LEFT}[2-9][0-9]{3}-?[0-9]{4}-?[0-9]{4}(?![ -][0-9]){RIGHT}", india,
     "aadhaar|aadhar|uidai"},
    {kNationalId, kOn, "{LEFT}[A-Z]{3}[ABCFGHLJPT][A-Z][0-9]{4}[A-Z]{RIGHT}"},     // India, PAN
    {kNationalId, kStrict, kThreeTimesThree, luhn_check, "sin|social insurance"},  // Canada
    {kNationalId, kStrict, kThreeTimesThree, weighted<Weights{1, 4, 3, 7, 5, 8, 6, 9, 10}, 11>,
     "tfn|tax file"},  // Australia
    {kNationalId, kStrict, "{LEFT}[0-9]{13}{RIGHT}", south_africa, "id number|identity number|id no"},
    {kNationalId, kOn, "{LEFT}[1-9][0-9]{5}(?:19|20)[0-9]{9}[0-9Xx]{RIGHT}", china},
    {kNationalId, kOn, "{LEFT}[0-9]{6}-[1-8][0-9]{6}{RIGHT}", korea},
    {kNationalId, kStrict, "{LEFT}[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}(?![ -][0-9]){RIGHT}",
     eleven_less_rest<Weights{6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2}>, "my number|マイナンバーは?|個人番号は?"},
    {kNationalId, kOff, kElevenDigits, croatia, "oib"},
    {kNationalId, kOn, "{LEFT}[0-9]{1,2}\\.[0-9]{3}\\.[0-9]{3}-[0-9Kk]{RIGHT}", chile},
    {kNationalId, kOn,
     "{LEFT}[A-Z][AEIOUX][A-Z]{2}[0-9]{2}(?:0[1-9]|1[0-2])[0-3][0-9][HMX][A-Z]{2}[B-DF-HJ-NP-TV-Z]{3}"
     "[0-9A-Z][0-9]{RIGHT}"},
    // Without any form in common: a token with digits behind such words.
    {kNationalId, kOff, "\\b(?=[A-Z-]{0,6}[0-9])[A-Z0-9](?:-?[A-Z0-9]){4,19}\\b", nullptr,
     "passport(?: ?(?:no|nr|num|number|id))?|driv(?:er|ing)(?:['’]?s)? licen[cs]e(?: ?(?:no|number|id))?|"
     "national (?:id|insurance)(?: ?(?:no|number|card))?|identity card|id card|personalausweis(?:nummer)?|"
     "medicare(?: ?(?:no|number))?|health insurance (?:no|number|id)|insurance policy|patient (?:id|no|number)|mrn|"
     "medical record(?: ?(?:no|number))?|tax(?:payer)? (?:id|number|identification number)"},
};

}  // namespace

std::span<const Rule> national_id_rules() {
  return kRules;
}

}  // namespace sain::router::privacy
