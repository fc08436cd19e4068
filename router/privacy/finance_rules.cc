// Cards, accounts and wallets.
#include "router/privacy/check_digits.h"
#include "router/privacy/rule.h"

namespace sain::router::privacy {
namespace {

constexpr auto kCard = PersonalDataKind::kPaymentCard;
constexpr auto kAccount = PersonalDataKind::kBankAccount;
constexpr auto kWallet = PersonalDataKind::kWallet;
constexpr auto kOff = PrivacyLevel::kOff, kOn = PrivacyLevel::kOn, kStrict = PrivacyLevel::kStrict;
constexpr const char* kCardWords =
    "cards?(?: ?(?:no|nr|number|num|is))?|visa|mastercard|amex|american express|maestro|cc";
constexpr const char* kAccountWords =
    "accounts?(?: ?(?:no|nr|num|number))?|acct|routing(?: ?number)?|sort ?code|iban|kontonummer|konto|bank details";

constexpr Rule kRules[] = {
    // Digits in groups as they are printed, or in one.
    {kCard, kOn, "{LEFT}[2-6][0-9]{3}([ -])[0-9]{4}\\1[0-9]{4}\\1[0-9]{1,4}(?:\\1[0-9]{1,3})?{RIGHT}", payment_card},
    {kCard, kOn, "{LEFT}3[0-9]{3}([ -])[0-9]{6}\\1[0-9]{4,5}{RIGHT}", payment_card},
    {kCard, kOn, "{LEFT}[2-6][0-9]{11,18}{RIGHT}", payment_card},
    // Behind such words a number that was mistyped counts, too.
    {kCard, kOff, "{LEFT}[0-9]{4}(?:([ -]?)[0-9]{4}\\1[0-9]{4}\\1[0-9]{0,7}|([ -])[0-9]{6}\\2[0-9]{4,5}){RIGHT}",
     nullptr, kCardWords},
    {kCard, kOff, "\\b[0-9]{3,4}{RIGHT}", nullptr, "cvv2?|cvc2?|card security code|security code"},
    {kAccount, kOn, "(?<!\\w)(?i:[A-Z]{2})[0-9]{2}(?:[ -]?(?i:[A-Z0-9]){4}){2,7}(?:[ -]?(?i:[A-Z0-9]){1,3})?(?!\\w)",
     iban},
    {kAccount, kOff, "(?<!\\w)[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{2,4}){2,8}(?!\\w)", nullptr, "iban"},
    {kAccount, kStrict, "{LEFT}[0-9]{13,19}{RIGHT}", nullptr, kAccountWords},
    {kAccount, kOff, "{LEFT}[0-9](?:[ -]?[0-9]){5,16}{RIGHT}", nullptr, kAccountWords},
    {kWallet, kOn, "(?<!\\w)[13][1-9A-HJ-NP-Za-km-z]{25,34}(?!\\w)", bitcoin_base58},
    {kWallet, kOn, "(?<!\\w)bc1[02-9ac-hj-np-z]{11,71}(?!\\w)", bitcoin_bech32},
    {kWallet, kOn, "(?<!\\w)0x[0-9A-Fa-f]{40}(?!\\w)"},  // Ethereum and others of its kind
};

}  // namespace

std::span<const Rule> finance_rules() {
  return kRules;
}

}  // namespace sain::router::privacy
