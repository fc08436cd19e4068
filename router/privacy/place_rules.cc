// Where somebody lives or is.
#include <algorithm>
#include <cctype>

#include "router/privacy/common_words.h"
#include "router/privacy/rule.h"

namespace sain::router::privacy {
namespace {

constexpr auto kAddress = PersonalDataKind::kPostalAddress;
constexpr auto kLocation = PersonalDataKind::kLocation;
constexpr auto kOff = PrivacyLevel::kOff, kOn = PrivacyLevel::kOn, kStrict = PrivacyLevel::kStrict;
constexpr const char* kAddressWords =
    "address(?:es)?|addr|adresse|dirección|indirizzo|adres|adress|endereço|liv(?:e|es|ed|ing) (?:at|in|on)|moved "
    "to|located at|"
    "resid(?:e|es|ing) (?:at|in)|residence|deliver(?:ed)? (?:it )?to|ship(?:ped)? (?:it )?to|sent to|send "
    "(?:[a-z]{1,12} "
    "){0,3}to|documents to|meet "
    "(?:me |you |us )?at|"
    "taxi to|arrived at|return (?:it )?to|office is at|wohne in|wohnhaft|habite|vivo en|abito in|mail(?:ed)? to";

/// Whether not all words are common: "Chapter 12", "March 1985", "Windows 11".
size_t has_own_word(std::string_view match) {
  for (size_t begin = 0; begin < match.size();) {
    const size_t end = std::min(match.find_first_of(" \t", begin), match.size());
    const std::string_view word = match.substr(begin, end - begin);
    if (std::isdigit(static_cast<unsigned char>(word[0])) == 0 && !is_common_word(word)) return match.size();
    begin = std::min(match.find_first_not_of(" \t", end), match.size());
  }
  return 0;
}

constexpr Rule kRules[] = {
    // 12 Main Street
    {kAddress, kOn,
     "{LEFT}[0-9]{1,5}(?:[A-Za-z]|-[0-9]{1,4}|/"
     "[0-9]{1,3})?,?\\h(?:{WORD}\\h|[0-9]{1,3}(?:st|nd|rd|th)\\h){1,4}{STREET}"},
    {kAddress, kOn,
     "(?<![\\w.,])[0-9]{1,5}\\h(?:[NSEW]|NE|NW|SE|SW|North|South|East|West)\\.?\\h(?:{WORD}|[0-9]{1,3}(?:st|nd|rd|th))"
     "(?:\\h{STREET})?"},
    // Lindenstraße 12, Kerkstraat 5
    {kAddress, kOn,
     "(?<!\\w)\\p{Lu}[\\p{L}.'-]{1,32}(?:straße|strasse|str\\.|weg|gasse|platz|allee|damm|ufer|berg|straat|laan|plein|"
     "gracht|"
     "kade|dijk|gatan|vägen|gata|veien|vegen|gade|vej|allé|katu|kuja|polku|stigen|bakken)\\h[0-9]{1,4}\\h?[a-zA-Z]?(?!"
     "\\w)"},
    {kAddress, kOn,
     "(?<!\\w){WORD}(?:\\h{WORD})?\\h(?:Straße|Strasse|Str\\.|Weg|Platz|Gasse|Allee|Damm|utca|út|tér|utja|cesta|ulica|"
     "katu|tie)\\h"
     "[0-9]{1,4}[a-zA-Z]?(?!\\w)"},
    // 12 rue de la Paix, Via Roma 5, Calle Mayor 3
    {kAddress, kOn,
     "(?<!\\w)[0-9]{1,4}(?:\\h?bis|\\h?ter|[a-zA-Z])?,?\\h(?i:rue|avenue|boulevard|bd|chemin|place|impasse|allée|cours|"
     "quai|route|"
     "square)\\h(?:{PARTICLE}\\h?){0,3}{WORD}(?:[\\h-](?:{PARTICLE}\\h)?{WORD}){0,3}"},
    {kAddress, kOn,
     "(?<!\\w)(?i:rue|via|viale|piazza|corso|largo|calle|avenida|avda\\.?|av\\.|plaza|paseo|rua|travessa|ul\\.|ulica|"
     "ulice|"
     "carrer|carretera|ctra\\.|c/"
     "|strada|r\\.)\\h?(?:{PARTICLE}\\h?){0,3}{WORD}(?:\\h(?:{PARTICLE}\\h)?{WORD}){0,3},?\\h"
     "(?:n[º°.o]\\h?)?[0-9]{1,4}[a-zA-Z]?(?!\\w)"},
    // Springfield, IL 62704
    {kAddress, kOn,
     "(?<!\\w){WORD}(?:\\h{WORD}){0,2},?\\h(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O["
     "HKR]|"
     "PA|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY]),?\\h[0-9]{5}(?:-[0-9]{4})?(?!\\w)"},
    {kAddress, kOn,
     "(?i:\\b(?:p\\.?\\h?o\\.?\\h?box|postfach|postbox|postboks|apartado|casilla)\\h#?[0-9]{1,6})(?!\\w)"},
    // Of Britain and Canada: a few houses each.
    {kAddress, kOn, "{LEFT}(?:GIR 0AA|[A-PR-UWYZ][A-HK-Y]?[0-9][0-9A-HJKPSTUW]? [0-9][ABD-HJLNP-UW-Z]{2})(?!\\w)"},
    {kAddress, kOn, "{LEFT}[ABCEGHJ-NPRSTVXY][0-9][ABCEGHJ-NPRSTV-Z] [0-9][ABCEGHJ-NPRSTV-Z][0-9](?!\\w)"},
    {kAddress, kOff, "{LEFT}[0-9]{2,5}(?:[ -]?[0-9A-Z]{2,4})?(?!\\w)", nullptr,
     "zip ?codes?|zip:|postal ?code|post ?code|postcode|plz|postleitzahl|code postal|código postal"},
    // Behind such words any number and capitalised name, in any order, or a street in small letters.
    {kAddress, kOff,
     "(?<![\\w.$€£])(?:[0-9]{1,5}[A-Za-z]?(?:[/-][0-9]{1,4})?,?\\h(?:{PARTICLE}\\h){0,2}{WORD}|"
     "{WORD}\\.?\\h(?:(?!(?:in|by|at|on|for|before|after|and|or|the|with|of|about)\\h)\\p{L}{1,24}\\.?\\h){0,3}"
     "(?!(?:19|20)[0-9]{2}(?![0-9]))[0-9]{1,5}[A-Za-z]?(?![\\w:%]|\\h?[ap]m\\b))",
     has_own_word, kAddressWords},
    {kAddress, kOff,
     "(?<!\\w){WORD}(?:\\h{WORD}){0,2}(?:,\\h[A-Z]{2,3})?,?\\h\\(?(?!(?:19|20)[0-9]{2}(?![0-9]))[0-9]{4,6}(?!\\w)",
     nullptr, kAddressWords},
    {kAddress, kOff, "(?<![\\w.])[0-9]{1,5}[a-z]?,?\\h(?:[\\p{L}'’.-]{2,20}\\h){1,3}(?i:{STREET})", nullptr,
     kAddressWords},
    // A line that begins or ends with a number, and has else only names.
    {kAddress, kStrict,
     "(?m:^[>?\\h]{0,8}\\K[0-9]{1,5}[A-Za-z]?,?\\h(?:{PARTICLE}\\h){0,2}{WORD}(?:\\h{WORD}){0,3}\\h*$)", has_own_word},
    {kAddress, kStrict,
     "(?<![\\w.])[0-9]{1,5}[A-Za-z]?,?\\h(?:{PARTICLE}\\h){0,2}{WORD}(?:\\h{WORD}){0,3}(?=\\s*(?:,|\\n|$))",
     has_own_word},
    {kAddress, kStrict, "(?<!\\w){WORD}(?:\\h(?:{PARTICLE}\\h)?{WORD}){0,3}\\h[0-9]{1,4}[A-Za-z]?(?=\\s*(?:,|\\n|$))",
     has_own_word},
    {kAddress, kStrict, "(?<!\\w){WORD}(?:\\h{WORD}){0,2}\\h{STREET}(?!\\w)", has_own_word},
    {kAddress, kStrict, "(?<!\\w)(?:Apt\\.?|Apartment|Suite|Unit|Flat)\\h#?[0-9]{1,5}[A-Z]?(?!\\w)"},
    {kAddress, kStrict,
     "{LEFT}(?:[1-9][0-9]{3}\\h?[A-Z]{2}|[0-9]{4,6})\\h\\p{Lu}\\p{L}{2,24}(?!\\w)"},  // 1012 AB, 10115 Berlin
    // Degrees with at least four decimals are a house; alone they are as likely numbers of any kind.
    {kLocation, kStrict,
     "(?<![\\w.])[-+]?[0-9]{1,3}\\.[0-9]{4,15}°?\\h?[NS]?\\h?[,;/]\\h?[-+]?[0-9]{1,3}\\.[0-9]{4,15}(?![\\w.])", nullptr,
     "coordinates?|gps|location|located|lat(?:itude)?(?:[ /,]{1,2}(?:lon|lng|long)(?:gitude)?)?|geo|position|home "
     "is|live at"},
    {kLocation, kOn,
     "(?<![\\w.])[0-9]{1,3}\\.[0-9]{3,15}°?\\h?[NS]\\h?,?\\h?[0-9]{1,3}\\.[0-9]{3,15}°?\\h?[EWO](?!\\w)"},
    {kLocation, kOn,
     "(?<!\\w)[0-9]{1,3}°\\h?[0-9]{1,2}['′]\\h?[0-9]{1,2}(?:\\.[0-9]{1,6})?(?:\"|″|'')\\h?[NS],?\\h?[0-9]{1,3}°\\h?"
     "[0-9]{1,2}['′]\\h?[0-9]{1,2}(?:\\.[0-9]{1,6})?(?:\"|″|'')\\h?[EWO]"},
    {kLocation, kOn, "(?i:\\blat(?:itude)?\\b[\"']?\\h?[:=]?\\h?)\\K[-+]?[0-9]{1,2}\\.[0-9]{3,15}"},
};

}  // namespace

std::span<const Rule> place_rules() {
  return kRules;
}

}  // namespace sain::router::privacy
