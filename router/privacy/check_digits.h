// Check digits: whether a number is one that somebody was given, or just looks like it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace sain::router::privacy {

/// The decimal digits of `text`, without what stands between them.
std::string digits_of(std::string_view text);
/// The ASCII letters, in upper case, and digits of `text`.
std::string letters_and_digits_of(std::string_view text);

// Of a string of decimal digits, which is false where it is none or empty.
bool luhn(std::string_view digits);                // ISO/IEC 7812-1, annex B
bool verhoeff(std::string_view digits);            // Verhoeff 1969, by the dihedral group of order 10
bool iso_7064_mod_11_10(std::string_view digits);  // ISO/IEC 7064
bool iso_7064_mod_11_2(std::string_view text);     // its last character may be X
/// The number's remainder by a modulus of at most 10,000; letters count as 10 to 35 (ISO 13616 for IBANs).
uint32_t remainder(std::string_view letters_and_digits, uint32_t modulus);
/// The sum of digit times weight, over the shorter of both, modulo `modulus`; not negative.
int weighted_remainder(std::string_view digits, std::span<const int8_t> weights, int modulus);

/// Whether "YYMMDD" is a day of some year.
bool is_day(std::string_view yymmdd);

// As Check of a Rule.
size_t payment_card(std::string_view match);  // a length and prefix of a scheme, and Luhn's digit
size_t iban(std::string_view match);          // the country's length, mod 97
size_t bitcoin_base58(std::string_view match);
size_t bitcoin_bech32(std::string_view match);  // BIP 173 and 350

}  // namespace sain::router::privacy
