#include <ctime>

#include "formats/jinja/objects.h"
#include "formats/jinja/operators.h"
#include "formats/jinja/to_text.h"

namespace sain::formats::jinja {
namespace {

Result<Value> range(Runtime& runtime, const Arguments& arguments) {
  const Values& given = arguments.positional;
  if (given.empty() || given.size() > 3 || !arguments.keywords.empty()) {
    return template_error("range() takes one to three numbers");
  }
  SAIN_ASSIGN_OR_RETURN(const int64_t first, integer_or(&given[0], 0));
  SAIN_ASSIGN_OR_RETURN(const int64_t second, integer_or(given.size() > 1 ? &given[1] : nullptr, 0));
  SAIN_ASSIGN_OR_RETURN(const int64_t step, integer_or(given.size() > 2 ? &given[2] : nullptr, 1));
  if (step == 0) return template_error("the step of range() is zero");
  const int64_t begin = given.size() == 1 ? 0 : first;
  const int64_t end = given.size() == 1 ? first : second;
  Trust trust = Trust::kTemplate;
  for (const Value& bound : given) trust = both(trust, bound.scalar_trust());
  Values items;
  for (int64_t i = begin; step > 0 ? i < end : i > end;) {
    if (items.size() == kMaxRange) {
      return make_error(ErrorCode::kResourceExhausted, "a range() of more than {} numbers", kMaxRange);
    }
    items.emplace_back(i, trust);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return runtime.make_sequence(Sequence::Kind::kRange, std::move(items));
}

using Entries = std::vector<std::pair<Value, Value>>;

/// The entries of dict(...) and namespace(...): of a dict or pairs, then of the keywords.
Result<Entries> entries_of(Runtime& runtime, const Arguments& arguments) {
  if (arguments.positional.size() > 1) return template_error("dict() takes at most one positional argument");
  Entries entries;
  const auto insert = [&](const Value& key, const Value& value) -> Status {
    SAIN_RETURN_IF_ERROR(check_hashable(runtime, key));
    SAIN_RETURN_IF_ERROR(runtime.charge_items_scan(entries.size() + 8));
    for (auto& [known, slot] : entries) {
      SAIN_ASSIGN_OR_RETURN(const bool equal, equals(runtime, known, key));
      if (equal) return slot = value, Status();
    }
    entries.emplace_back(key, value);
    return {};
  };
  if (!arguments.positional.empty()) {
    const Value& source = arguments.positional[0];
    if (const Dict* dict = source.dict()) {
      entries = dict->entries;
    } else {
      SAIN_ASSIGN_OR_RETURN(const auto pairs, iterate(runtime, source));
      for (const Value& pair : pairs->items) {
        SAIN_ASSIGN_OR_RETURN(const auto parts, iterate(runtime, pair));
        if (parts->items.size() != 2) return template_error("dict() takes pairs, found {} items", parts->items.size());
        SAIN_RETURN_IF_ERROR(insert(parts->items[0], parts->items[1]));
      }
    }
  }
  for (const auto& [keyword, value] : arguments.keywords) {
    SAIN_ASSIGN_OR_RETURN(const Value key, runtime.make_text(keyword, Trust::kTemplate));
    SAIN_RETURN_IF_ERROR(insert(key, value));
  }
  return entries;
}

Result<Value> dict(Runtime& runtime, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(Entries entries, entries_of(runtime, arguments));
  return runtime.make_dict(std::move(entries));
}

Result<Value> make_namespace(Runtime& runtime, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Entries entries, entries_of(runtime, arguments));
  std::vector<std::pair<std::string, Value>> attributes;
  for (const auto& [key, value] : entries) {
    SAIN_ASSIGN_OR_RETURN(const Text* name, text_argument(&key));
    attributes.emplace_back(name->bytes(), value);
  }
  return runtime.make_namespace(std::move(attributes));
}

Result<Value> cycler(Runtime& runtime, const Arguments& arguments) {
  if (arguments.positional.empty() || !arguments.keywords.empty()) return template_error("cycler() needs items");
  SAIN_RETURN_IF_ERROR(runtime.charge_memory(sizeof(Cycler) + arguments.positional.size() * sizeof(Value)));
  return Value(std::shared_ptr<Object>(std::make_shared<Cycler>(arguments.positional)));
}

Result<Value> joiner(Runtime& runtime, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("joiner", arguments, {"sep"}));
  SAIN_RETURN_IF_ERROR(runtime.charge_memory(sizeof(Joiner)));
  SAIN_ASSIGN_OR_RETURN(const Value comma, runtime.make_text(", ", Trust::kTemplate));
  return Value(std::shared_ptr<Object>(std::make_shared<Joiner>(bound[0] == nullptr ? comma : *bound[0])));
}

Result<Value> raise_exception(Runtime& runtime, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("raise_exception", arguments, {"message"}, 1));
  SAIN_ASSIGN_OR_RETURN(const Text message, to_text(runtime, *bound[0]));
  return template_error("{}", message.bytes());
}

Result<Value> strftime_now(Runtime& runtime, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("strftime_now", arguments, {"format"}, 1));
  SAIN_ASSIGN_OR_RETURN(const Text* format, text_argument(bound[0]));
  SAIN_RETURN_IF_ERROR(runtime.charge_text_scan(format->size()));
  std::tm local{};
  const std::time_t now = runtime.now();
  localtime_r(&now, &local);
  // A date is short; what does not fit is a format that was made to be long. The mark tells an empty result from that.
  constexpr size_t kMaxDateBytes = 1024;
  char buffer[kMaxDateBytes];
  const std::string marked = format->bytes() + "|";
  const size_t n_bytes = std::strftime(buffer, sizeof buffer, marked.c_str(), &local);
  if (n_bytes == 0)
    return make_error(ErrorCode::kResourceExhausted, "strftime_now() gives more than {} bytes", kMaxDateBytes);
  return runtime.make_text(std::string(buffer, n_bytes - 1), format->trust());
}

}  // namespace

Function find_function(std::string_view name) {
  if (name == "range") return range;
  if (name == "dict") return dict;
  if (name == "namespace") return make_namespace;
  if (name == "cycler") return cycler;
  if (name == "joiner") return joiner;
  if (name == "raise_exception") return raise_exception;
  if (name == "strftime_now") return strftime_now;
  return nullptr;
}

}  // namespace sain::formats::jinja
