#include "router/privacy/check_digits.h"

#include <sodium/crypto_hash_sha256.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <iterator>

namespace sain::router::privacy {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, is_digit);
}

uint32_t value(char digit) {
  return static_cast<uint32_t>(digit - '0');
}

/// Where the first `n` letters and digits of `match` end.
size_t end_of(std::string_view match, size_t n) {
  size_t i = 0;
  for (; i < match.size() && n > 0; ++i) n -= std::isalnum(static_cast<unsigned char>(match[i])) != 0;
  return i;
}

struct CardScheme {
  uint32_t first, last;  // of the first four digits
  uint32_t min_length, max_length;
};
constexpr CardScheme kCardSchemes[] = {
    {4000, 4999, 13, 19},                                                                    // Visa
    {5100, 5599, 16, 16}, {2221, 2720, 16, 16},                                              // Mastercard
    {3400, 3499, 15, 15}, {3700, 3799, 15, 15},                                              // American Express
    {6011, 6011, 16, 19}, {6440, 6599, 16, 19}, {6200, 6299, 16, 19},                        // Discover, UnionPay
    {3528, 3589, 16, 19},                                                                    // JCB
    {3000, 3059, 14, 19}, {3600, 3699, 14, 19}, {3800, 3999, 14, 19},                        // Diners Club
    {5000, 5099, 12, 19}, {5600, 5899, 12, 19}, {6300, 6399, 12, 19}, {6700, 6799, 12, 19},  // Maestro
};

/// Lengths of IBANs by country: the registry of ISO 13616, each as "CCnn".
constexpr std::string_view kIbanLengths =
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 "
    "ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 "
    "LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 "
    "PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 "
    "YE30 ";

}  // namespace

std::string digits_of(std::string_view text) {
  std::string digits;
  std::ranges::copy_if(text, std::back_inserter(digits), is_digit);
  return digits;
}

std::string letters_and_digits_of(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (is_digit(c) || (c >= 'A' && c <= 'Z')) result += c;
    if (c >= 'a' && c <= 'z') result += static_cast<char>(c - 'a' + 'A');
  }
  return result;
}

bool luhn(std::string_view digits) {
  if (!all_digits(digits)) return false;
  uint32_t sum = 0;
  for (size_t i = 0; i < digits.size(); ++i) {
    const uint32_t digit = value(digits[digits.size() - 1 - i]) << (i % 2);
    sum += digit > 9 ? digit - 9 : digit;
  }
  return sum % 10 == 0;
}

bool verhoeff(std::string_view digits) {
  // The permutation of the last digit but one; that of the others is its powers.
  constexpr std::array<uint8_t, 10> kPermutation = {1, 5, 7, 6, 2, 8, 3, 0, 9, 4};
  // a * b in the dihedral group: 0 to 4 rotate, 5 to 9 reflect.
  const auto times = [](uint32_t a, uint32_t b) {
    if (a < 5) return b < 5 ? (a + b) % 5 : 5 + (a + b) % 5;
    return b < 5 ? 5 + (a - b) % 5 : (5 + a - b) % 5;
  };
  if (!all_digits(digits)) return false;
  uint32_t state = 0;
  for (size_t i = 0; i < digits.size(); ++i) {
    uint32_t digit = value(digits[digits.size() - 1 - i]);
    for (size_t power = 0; power < i % 8; ++power) digit = kPermutation[digit];
    state = times(state, digit);
  }
  return state == 0;
}

bool iso_7064_mod_11_10(std::string_view digits) {
  if (!all_digits(digits)) return false;
  uint32_t product = 10;
  for (const char c : digits.substr(0, digits.size() - 1)) {
    const uint32_t sum = (product + value(c)) % 10;
    product = (sum == 0 ? 10 : sum) * 2 % 11;
  }
  return (product + value(digits.back())) % 10 == 1;
}

bool iso_7064_mod_11_2(std::string_view text) {
  if (text.size() < 2 || !all_digits(text.substr(0, text.size() - 1))) return false;
  uint32_t sum = 0;
  for (const char c : text.substr(0, text.size() - 1)) sum = (sum + value(c)) * 2 % 11;
  const char last = text.back();
  if (!is_digit(last) && last != 'X' && last != 'x') return false;
  return (sum + (is_digit(last) ? value(last) : 10)) % 11 == 1;
}

uint32_t remainder(std::string_view letters_and_digits, uint32_t modulus) {
  uint32_t rest = 0;
  for (const char c : letters_and_digits) {
    rest =
        is_digit(c) ? (rest * 10 + value(c)) % modulus : (rest * 100 + static_cast<uint32_t>(c - 'A') + 10) % modulus;
  }
  return rest;
}

int weighted_remainder(std::string_view digits, std::span<const int8_t> weights, int modulus) {
  int sum = 0;
  for (size_t i = 0; i < std::min(digits.size(), weights.size()); ++i) sum += (digits[i] - '0') * weights[i];
  return (sum % modulus + modulus) % modulus;
}

bool is_day(std::string_view yymmdd) {
  if (yymmdd.size() != 6 || !all_digits(yymmdd)) return false;
  const uint32_t month = value(yymmdd[2]) * 10 + value(yymmdd[3]), day = value(yymmdd[4]) * 10 + value(yymmdd[5]);
  return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

size_t payment_card(std::string_view match) {
  const std::string digits = digits_of(match);
  if (digits.size() < 12) return 0;
  const uint32_t prefix = remainder(std::string_view(digits).substr(0, 4), 10000);
  const bool known = std::ranges::any_of(kCardSchemes, [&](const CardScheme& scheme) {
    return prefix >= scheme.first && prefix <= scheme.last && digits.size() >= scheme.min_length &&
           digits.size() <= scheme.max_length;
  });
  return known && luhn(digits) ? match.size() : 0;
}

size_t iban(std::string_view match) {
  const std::string text = letters_and_digits_of(match);
  const size_t entry = kIbanLengths.find(text.substr(0, 2));
  if (entry == std::string_view::npos || entry % 5 != 0) return 0;
  const size_t length = remainder(kIbanLengths.substr(entry + 2, 2), 100);
  if (text.size() < length) return 0;
  return remainder(text.substr(4, length - 4) + text.substr(0, 4), 97) == 1 ? end_of(match, length) : 0;
}

size_t bitcoin_base58(std::string_view match) {
  constexpr std::string_view kAlphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
  std::array<std::byte, 25> bytes = {};  // version, hash of 20, first 4 of the hash of both
  for (const char c : match) {
    size_t carry = kAlphabet.find(c);
    if (carry == std::string_view::npos) return 0;
    for (size_t i = bytes.size(); i-- > 0; carry >>= 8) {
      carry += 58 * static_cast<size_t>(bytes[i]);
      bytes[i] = static_cast<std::byte>(carry & 0xFF);
    }
    if (carry != 0) return 0;
  }
  std::array<std::byte, 32> hash;
  const auto sha256 = [&hash](const auto& data, size_t size) {
    crypto_hash_sha256(reinterpret_cast<unsigned char*>(hash.data()),
                       reinterpret_cast<const unsigned char*>(data.data()), size);
  };
  sha256(bytes, 21);
  sha256(std::array(hash), hash.size());
  return std::equal(bytes.begin() + 21, bytes.end(), hash.begin()) ? match.size() : 0;
}

size_t bitcoin_bech32(std::string_view match) {
  constexpr std::string_view kAlphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
  constexpr std::array<uint32_t, 5> kGenerator = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3};
  uint32_t checksum = 1;
  const auto add = [&](uint32_t five_bits) {
    const uint32_t top = checksum >> 25;
    checksum = (checksum & 0x1ffffff) << 5 ^ five_bits;
    for (uint32_t i = 0; i < 5; ++i) checksum ^= (top >> i & 1) != 0 ? kGenerator[i] : 0;
  };
  for (const uint32_t part : {3u, 3u, 0u, 2u, 3u}) add(part);  // "bc": its high bits, 0, its low bits
  for (const char c : match.substr(3)) {                       // behind "bc1"
    const size_t five_bits = kAlphabet.find(c);
    if (five_bits == std::string_view::npos) return 0;
    add(static_cast<uint32_t>(five_bits));
  }
  return checksum == 1 || checksum == 0x2bc830a3 ? match.size() : 0;
}

}  // namespace sain::router::privacy
