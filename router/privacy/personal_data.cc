#include "router/privacy/personal_data.h"

#include <algorithm>
#include <array>
#include <utility>

#include "formats/utf8.h"
#include "router/privacy/pattern.h"
#include "router/privacy/rule.h"

namespace sain::router {
namespace {

using privacy::Pattern;
using privacy::Rule;

constexpr std::array<std::string_view, kPersonalDataKinds> kKindNames = {
    "secret",     "payment_card", "bank_account", "wallet",         "national_id", "email", "phone",
    "ip_address", "device_id",    "birth_date",   "postal_address", "location",    "name"};
constexpr std::array<std::string_view, 3> kLevelNames = {"off", "on", "strict"};

/// What patterns may abbreviate; a later one may stand in an earlier one.
constexpr std::pair<std::string_view, std::string_view> kAbbreviations[] = {
    {"{DATE}",
     "(?<![\\w.])(?:[0-9]{1,2}[./-][0-9]{1,2}[./-](?:{YEAR}|[0-9]{2})|{YEAR}[./-][0-9]{1,2}[./-][0-9]{1,2}|"
     "[0-9]{1,2}(?:st|nd|rd|th|\\.)?\\h(?:of\\h)?{MONTH},?\\h{YEAR}|{MONTH}\\h[0-9]{1,2}(?:st|nd|rd|th)?,?\\h{YEAR})(?!"
     "\\w)"},
    {"{YEAR}", "(?:19(?:0[5-9]|[1-9][0-9])|20[0-9]{2})"},  // of those who may be alive
    {"{MONTH}",
     "(?i:jan(?:uary|uar|vier)?|feb(?:ruary|ruar)?|mar(?:ch)?|märz|apr(?:il)?|may|mai|june?|juni|july?|juli|aug(?:ust)?"
     "|"
     "sept?(?:ember)?|oct(?:ober)?|okt(?:ober)?|nov(?:ember)?|dec(?:ember)?|dez(?:ember)?)\\.?"},
    {"{STREET}",
     "(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Square|Sq|Terrace|Terr|Parkway|"
     "Pkwy|Highway|Hwy|"
     "Circle|Cir|Crescent|Cres|Close|Way|Alley|Trail|Trl|Grove|Mews|Gardens|Row|Walk|Hill|Heights|Ridge|Route|Loop|"
     "Plaza|Quay|Wharf|"
     "Crossing|Estate|Estates|Turnpike|Freeway|Bypass|Run|Glen|Manor|Mill|Path|Pike|Point|Pines|Station|Summit|Track|"
     "View|Villas|Vista|"
     "Broadway)\\b"},
    {"{NAME}", "{WORD}(?:\\h(?:{PARTICLE}\\h){0,2}{WORD}|\\h\\p{Lu}\\.){0,3}"},
    {"{WORD}", "\\p{Lu}[\\p{L}\\p{M}]{0,24}(?:['’-]\\p{L}{1,24}){0,2}"},
    {"{PARTICLE}",
     "(?:van|von|vom|zu|zum|zur|de|da|do|dos|das|del|della|delle|dei|degli|der|den|des|du|di|la|le|les|el|al|bin|ibn|"
     "ter|ten|"
     "y|e|af|av|am|an|auf|in|im|[ld]['’])"},
    {"{TITLE}",
     "(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|Herr|Frau|Madame|Mme|Mlle|Monsieur|Señora?|Sra?|Signora?|Sig|Dott|Dhr|"
     "Mevr|Pan|Pani)\\.?"},
    {"{SECRET}",  // the name of a variable or field that holds one
     "(?i:\\b(?:\\w{0,24}[_-])?(?:pass(?:word|wd|phrase|code)?|pwd|secret|api[_ -]?key|access[_ -]?key|token|private[_ "
     "-]?key|"
     "credentials?)s?\\b[\"'`*]{0,2})"},
    {"{LEFT}", "(?<!\\w|[0-9][.+-])"},
    {"{RIGHT}", "(?!\\w|[.,-][0-9])"},
    {"{SEP}", "[ \\x{A0}\\x{2007}\\x{202F}.\\x{2010}-\\x{2015}\\x{2212}-]"},
};

std::string expanded(std::string pattern) {
  for (const auto& [name, text] : kAbbreviations) {
    for (size_t at = 0; (at = pattern.find(name, at)) != std::string::npos; at += text.size()) {
      pattern.replace(at, name.size(), text);
    }
  }
  return pattern;
}

struct Matcher {
  PersonalDataKind kind;
  PrivacyLevel level;
  privacy::Check check;
  Pattern pattern;
};

std::vector<Matcher> make_matchers() {
  std::vector<Matcher> matchers;
  for (const auto rules : {privacy::secret_rules(), privacy::finance_rules(), privacy::national_id_rules(),
                           privacy::contact_rules(), privacy::place_rules(), privacy::name_rules()}) {
    for (const Rule& rule : rules) {
      const std::string form = expanded(rule.form);
      if (rule.words != nullptr) {
        const std::string pattern = std::string("(?i:(?<!\\w)(?:") + rule.words + ")(?!\\w))(?s:.{0,32}?)\\K" + form;
        matchers.push_back({rule.kind, PrivacyLevel::kOn, rule.check, Pattern(pattern)});
      }
      if (rule.alone != PrivacyLevel::kOff) matchers.push_back({rule.kind, rule.alone, rule.check, Pattern(form)});
    }
  }
  return matchers;
}

/// The text, with a space for each byte that is not part of well-formed UTF-8.
std::string well_formed(std::string_view text) {
  std::string result(text);
  for (size_t at = formats::valid_utf8_prefix(text); at < text.size();) {
    const formats::Utf8Unit unit = formats::first_utf8_unit(text.substr(at));
    if (unit.kind != formats::Utf8Kind::kComplete)
      std::fill_n(result.begin() + static_cast<ptrdiff_t>(at), unit.size, ' ');
    at += unit.size;
  }
  return result;
}

/// Sorted, those that overlap made one of the first kind among them.
std::vector<PersonalData> merged(std::vector<PersonalData> all) {
  std::ranges::sort(all, {}, [](const PersonalData& data) { return std::pair(data.begin, data.end); });
  std::vector<PersonalData> result;
  for (const PersonalData& data : all) {
    if (result.empty() || data.begin >= result.back().end) {
      result.push_back(data);
      continue;
    }
    result.back().end = std::max(result.back().end, data.end);
    result.back().kind = std::min(result.back().kind, data.kind);
  }
  return result;
}

/// Judges names by their form.
class Voter {
 public:
  Voter(std::string_view text, const PersonalDataOptions& options) : text_(text), options_(options) {}

  bool is_name(std::string_view candidate) {
    const bool is_strict = options_.level == PrivacyLevel::kStrict;
    if (!options_.name_vote || n_votes_ == kMaxNameVotes) return is_strict;
    ++n_votes_;
    const double vote = options_.name_vote(text_, candidate);
    return vote < 0 ? is_strict : vote >= (is_strict ? 0.1 : 0.9);
  }
  /// Whether is_name() can say yes.
  bool is_needed() const { return options_.level == PrivacyLevel::kStrict || options_.name_vote; }

 private:
  std::string_view text_;
  const PersonalDataOptions& options_;
  size_t n_votes_ = 0;
};

}  // namespace

std::string_view to_string(PersonalDataKind kind) {
  return kKindNames[static_cast<size_t>(kind)];
}

std::string_view to_string(PrivacyLevel level) {
  return kLevelNames[static_cast<size_t>(level)];
}

std::optional<PrivacyLevel> find_privacy_level(std::string_view name) {
  const auto it = std::ranges::find(kLevelNames, name);
  if (it == kLevelNames.end()) return std::nullopt;
  return static_cast<PrivacyLevel>(it - kLevelNames.begin());
}

std::vector<PersonalData> find_personal_data(std::string_view text, const PersonalDataOptions& options) {
  static const std::vector<Matcher> matchers = make_matchers();  // immutable; compiling takes some milliseconds
  std::vector<PersonalData> found;
  if (options.level == PrivacyLevel::kOff) return found;
  std::string copy;
  std::string_view clean = text;
  if (formats::valid_utf8_prefix(text) < text.size()) clean = copy = well_formed(text);

  Voter voter(clean, options);
  for (const Matcher& matcher : matchers) {
    const bool by_form = matcher.kind == PersonalDataKind::kName && matcher.level == PrivacyLevel::kStrict;
    if (by_form ? !voter.is_needed() : matcher.level > options.level) continue;
    const size_t searched = matcher.pattern.search(clean, [&](size_t begin, size_t end) {
      const std::string_view match = clean.substr(begin, end - begin);
      const size_t size = matcher.check == nullptr ? match.size() : matcher.check(match);
      if (size == 0 || (by_form && !voter.is_name(match.substr(0, size)))) return size;
      found.push_back({matcher.kind, begin, begin + size});
      return size;
    });
    if (searched < clean.size()) found.push_back({matcher.kind, searched, clean.size()});
  }
  return merged(std::move(found));
}

std::string redact(std::string_view text, const std::vector<PersonalData>& findings) {
  std::string result;
  size_t done = 0;
  for (const PersonalData& data : findings) {
    result += text.substr(done, data.begin - done);
    result += '[';
    result += to_string(data.kind);
    result += ']';
    done = data.end;
  }
  result += text.substr(done);
  return result;
}

}  // namespace sain::router
