// Names of persons: by the words before them, or by their form.
#include <algorithm>
#include <cctype>

#include "router/privacy/common_words.h"
#include "router/privacy/rule.h"

namespace sain::router::privacy {
namespace {

constexpr auto kName = PersonalDataKind::kName;
constexpr auto kOn = PrivacyLevel::kOn, kStrict = PrivacyLevel::kStrict;

/// A word without what it may end in: a dot, "'s".
std::string_view stem(std::string_view word) {
  for (const std::string_view end : {"'s", "’s", ".", "'", "’"}) {
    if (word.ends_with(end)) word.remove_suffix(end.size());
  }
  return word;
}

/// The words of a match up to the first common one; none when the first is common.
size_t name(std::string_view match) {
  size_t end = 0;
  for (size_t begin = 0; begin < match.size();) {
    const size_t space = std::min(match.find_first_of(" \t\n", begin), match.size());
    const std::string_view word = match.substr(begin, space - begin);
    const bool is_initial = end > 0 && word.size() == 2 && word[1] == '.';
    if (!is_initial && is_common_word(stem(word))) break;
    end = space;
    begin = std::min(match.find_first_not_of(" \t\n", space), match.size());
  }
  return end;
}

/// As name(), unless the first word is an abbreviation: "name: CI".
size_t labelled_name(std::string_view match) {
  const std::string_view first = match.substr(0, match.find_first_of(" \t\n"));
  const bool is_short =
      first.size() <= 3 && std::ranges::none_of(first, [](unsigned char c) { return std::islower(c); });
  return is_short ? 0 : name(match);
}

/// As name(), of at least two words.
size_t full_name(std::string_view match) {
  const size_t end = name(match);
  return match.substr(0, end).find(' ') == std::string_view::npos ? 0 : end;
}

/// As name(), where the first word has small letters, too: others are abbreviations and constants.
size_t name_by_form(std::string_view match) {
  const std::string_view first = match.substr(0, match.find_first_of(" \t"));
  const bool has_small =
      std::ranges::any_of(first.substr(1), [](unsigned char c) { return c >= 0x80 || std::islower(c); });
  return has_small ? name(match) : 0;
}

constexpr Rule kRules[] = {
    {kName, kOn,
     "(?i:\\b(?:(?:my|his|her|their|your|maiden|last|first|full|middle|family|legal) name(?:'s| is| was)|name on "
     "(?:the |my )?(?:card|account)"
     "(?: is)?|(?:everyone|people|friends|they|please|just|you can) calls? me|i am called|mein name ist|ich "
     "hei(?:ß|ss)e|je m['’]appelle|"
     "me llamo|mi nombre es|mi chiamo|ik heet|mijn naam is|nazywam się|jag heter|jeg heter|meu nome é|chamo-me|меня "
     "зовут)[:,]?\\h)"
     "\\K{NAME}",
     name},
    {kName, kOn,
     "(?i:\\b(?:my name(?:'s| is)|ich hei(?:ß|ss)e|je m['’]appelle|me llamo|mi chiamo)\\h\\K\\p{L}[\\p{L}'’-]{1,24}"
     "(?:\\h\\p{L}[\\p{L}'’-]{1,24})?)(?!\\w)",
     name},
    {kName, kOn,
     "(?:我叫|我的名字是|我的姓名是|私の名前は|제 이름은)\\h?\\K[\\p{Han}\\p{Hiragana}\\p{Katakana}\\p{Hangul}]{2,6}"},
    {kName, kOn,
     "(?m:^[>*?\\h]{0,8})(?i:(?:(?:full|first|last|maiden|billing|customer|patient|client|contact|employee|account|"
     "user)?\\h?name|"
     "patient|client|customer|employee|beneficiary|attn|attention|billing address|contact|signed|what['’]s your "
     "(?:last )?name\\?|"
     "who are you\\?)\\h?[:=?]?)\\s{1,8}\\K{NAME}",
     labelled_name},
    {kName, kOn, "(?i:\\b(?:dear|hi|hello|hey|hallo|liebe|lieber|bonjour|hola|ciao)\\h)\\K{NAME}(?=\\h?[,!:\\n]|$)",
     name},
    {kName, kOn,
     "(?i:\\b(?:regards|sincerely|cheers|best wishes|yours truly|yours faithfully|many "
     "thanks|thanks|grüßen|grüße|cordialement|"
     "saludos)),?\\s{1,4}\\K{NAME}(?=\\h{0,4}[.]?(?:\\n|$))",
     name},
    {kName, kOn,
     "(?i:\\bmy\\h(?:[a-z]{2,10}\\h){0,2}(?:wife|husband|spouse|son|daughter|kid|child|baby|brother|sister|mother|"
     "father|"
     "mom|mum|dad|uncle|aunt|"
     "cousin|nephew|niece|grandmother|grandfather|grandma|grandpa|boss|manager|friend|colleague|coworker|co-worker|"
     "neighbou?r|doctor|"
     "therapist|dentist|lawyer|partner|girlfriend|boyfriend|fianc[eé]e?|roommate|landlord|teacher|student|patient|"
     "client|employee|"
     "partner['’]s name|ex)(?:['’]s name is|,|\\h(?:is\\h|was\\h)?(?:called|named)|\\h\\()?\\h?)(?<!\\w)\\K{NAME}",
     name},
    {kName, kOn,
     "(?i:\\b(?:man|woman|guy|person|someone|colleague|customer|client|patient|employee|student|neighbou?r|friend)\\h(?"
     ":called|named)\\h)"
     "\\K{NAME}",
     full_name},
    {kName, kOn, "\\b{TITLE}\\h\\K{NAME}", full_name},
    {kName, kStrict, "\\b(?i:{TITLE})\\h\\K{NAME}", name},
    {kName, kOn, "(?:\\b(?i:i am|i['’]m|this is|ich bin|je suis|soy|sono)\\h)\\K{NAME}", full_name},
    {kName, kOn,
     "(?i:\\b(?:add|contact|follow up with|schedule with|under|behalf of|account of|guardian|beneficiary|invoice "
     "(?:to|for))\\h)\\K{NAME}"
     "(?=\\h(?:as|in|on|for|at|to|about)\\b|[.,]?\\s*$)",
     full_name},
    {kName, kOn,
     "(?<![\\w.]){NAME}(?=\\h(?:lives (?:at|in|on)|resides)\\b|['’]s "
     "(?:address|phone|e-?mail|birthday|account|diagnosis|passport)\\b)",
     full_name},
    {kName, kStrict, "(?<![\\w.@/#_-]){NAME}(?![\\w(\\[_=/@])", name_by_form},
};

}  // namespace

std::span<const Rule> name_rules() {
  return kRules;
}

}  // namespace sain::router::privacy
