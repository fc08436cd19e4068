// Strings and numbers of SchemaCompiler.
#include <algorithm>
#include <cmath>

#include "formats/gguf_text.h"
#include "formats/grammar.h"
#include "formats/json_schema/compiler.h"
#include "formats/json_schema/pattern.h"

namespace sain::formats {
namespace {

using Json = nlohmann::ordered_json;

#define SAIN_DATE \
  R"([1-9][0-9]{3}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8])))"
#define SAIN_TIME R"(([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9]))"
#define SAIN_LABEL R"([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)"

/// Patterns of formats: RFC 3339 (dates and times), 9562 (UUID), 5321 and 1035 (addresses), 3986 (URI), or parts of
/// them.
constexpr std::pair<std::string_view, std::string_view> kFormats[] = {
    {"date", "^" SAIN_DATE "$"},
    {"time", "^" SAIN_TIME "$"},
    {"date-time", "^" SAIN_DATE "T" SAIN_TIME "$"},
    {"uuid", "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"},
    {"email", R"(^[A-Za-z0-9_+-]{1,20}(\.[A-Za-z0-9_+-]{1,20}){0,2}@()" SAIN_LABEL R"(\.){1,3}[A-Za-z]{2,24}$)"},
    {"ipv4", R"(^((25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)$)"},
    {"uri", R"(^[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?#@!$&'()*+,;=-]+$)"},
};
#undef SAIN_DATE
#undef SAIN_TIME
#undef SAIN_LABEL

}  // namespace

Result<std::optional<uint32_t>> SchemaCompiler::count(const Json& schema, std::string_view keyword,
                                                      const Place& place) const {
  const auto found = schema.find(keyword);
  if (found == schema.end()) return std::optional<uint32_t>();
  const double value = found->is_number() ? found->get<double>() : -1;
  if (value >= 0 && value <= Grammar::kMaxRepeat && value == std::floor(value)) {
    return std::optional(static_cast<uint32_t>(value));
  }
  const bool is_large = value > Grammar::kMaxRepeat;
  return fault(is_large ? ErrorCode::kUnsupported : ErrorCode::kInvalidArgument, place.child(keyword),
               fmt::format("expected a whole number from 0 to {}, found {}", Grammar::kMaxRepeat, found->dump()));
}

SchemaCompiler::Expression SchemaCompiler::string(const Json& schema, const Place& place) {
  SAIN_ASSIGN_OR_RETURN(const std::optional<uint32_t> least, count(schema, "minLength", place));
  SAIN_ASSIGN_OR_RETURN(const std::optional<uint32_t> most, count(schema, "maxLength", place));
  const bool is_bounded = least.value_or(0) > 0 || most;
  if (least.value_or(0) > most.value_or(Grammar::kMaxRepeat)) {
    return fault(ErrorCode::kInvalidArgument, place, "expected 'minLength' at most as large as 'maxLength'");
  }
  if (schema.contains("pattern") + schema.contains("format") + is_bounded > 1) {
    return fault(ErrorCode::kUnsupported, place, "only one of 'pattern', 'format', and a length can be enforced");
  }
  if (is_bounded) {
    return grammar_.add(
        fmt::format(R"("\"" char{{{},{}}} "\"")", least.value_or(0), most ? std::to_string(*most) : ""));
  }
  const std::string_view keyword = schema.contains("pattern") ? "pattern" : "format";
  const auto given = schema.find(keyword);
  if (given == schema.end()) return "string";
  if (!given->is_string()) return fault(ErrorCode::kInvalidArgument, place.child(keyword), "expected a string");
  std::string pattern = given->get<std::string>();
  if (keyword == "format") {
    const auto known = std::ranges::find(kFormats, std::string_view(pattern), [](const auto& f) { return f.first; });
    if (known == std::end(kFormats)) {
      return fault(ErrorCode::kUnsupported, place.child(keyword),
                   fmt::format("expected date, time, date-time, uuid, email, ipv4 or uri, found {}", quote(pattern)));
    }
    pattern = known->second;
  }
  const Result<std::string> expression = pattern_expression(pattern);
  if (!expression) return fault(expression.error().code, place.child(keyword), expression.error().message);
  return grammar_.add(fmt::format(R"("\"" {} "\"")", *expression));
}

/// The bound that two keywords set together: `closed` and, where it stands inside of that, `open`.
Result<std::optional<Bound>> SchemaCompiler::bound(const Json& schema, std::string_view closed, std::string_view open,
                                                   const Place& place) const {
  std::optional<Bound> found;
  for (const std::string_view keyword : {closed, open}) {
    const auto given = schema.find(keyword);
    if (given == schema.end()) continue;
    if (!given->is_number()) return fault(ErrorCode::kInvalidArgument, place.child(keyword), "expected a number");
    const double value = given->get<double>();
    if (!(std::abs(value) <= static_cast<double>(kMostWhole)) || value != std::floor(value)) {
      return fault(ErrorCode::kUnsupported, place.child(keyword),
                   fmt::format("expected a whole number of at most 16 digits, found {}", given->dump()));
    }
    const Bound next = {static_cast<int64_t>(value), keyword == open};
    const bool is_low = closed == "minimum";
    if (!found || next.value == found->value || (next.value > found->value) == is_low) found = next;
  }
  return found;
}

SchemaCompiler::Expression SchemaCompiler::integer(const Json& schema, const Place& place) {
  SAIN_ASSIGN_OR_RETURN(const std::optional<Bound> low, bound(schema, "minimum", "exclusiveMinimum", place));
  SAIN_ASSIGN_OR_RETURN(const std::optional<Bound> high, bound(schema, "maximum", "exclusiveMaximum", place));
  if (!low && !high) return "integer";
  std::string found =
      integers_between(low ? low->value + low->is_open : -kMostWhole, high ? high->value - high->is_open : kMostWhole);
  if (found.empty()) return fault(ErrorCode::kInvalidArgument, place, "expected an integer between the bounds");
  return grammar_.add(std::move(found));
}

SchemaCompiler::Expression SchemaCompiler::number(const Json& schema, const Place& place) {
  SAIN_ASSIGN_OR_RETURN(const std::optional<Bound> low, bound(schema, "minimum", "exclusiveMinimum", place));
  SAIN_ASSIGN_OR_RETURN(const std::optional<Bound> high, bound(schema, "maximum", "exclusiveMaximum", place));
  if (!low && !high) return "number";
  std::string found = numbers_between(low, high);
  if (found.empty()) return fault(ErrorCode::kInvalidArgument, place, "expected a number between the bounds");
  return grammar_.add(std::move(found));
}

}  // namespace sain::formats
