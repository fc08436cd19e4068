#include <algorithm>

#include "formats/jinja/filters.h"
#include "formats/jinja/methods.h"
#include "formats/jinja/operators.h"
#include "formats/jinja/to_text.h"

namespace sain::formats::jinja {
namespace {

using Predicate = bool (*)(const Value&);

bool is_boolean_value(const Value& value, bool wanted) {
  return value.is_bool() && truthy(value) == wanted;
}
bool is_integer(const Value& value) {
  return value.integer().has_value() && !value.is_bool();
}
bool is_iterable(const Value& value) {
  return value.is_undefined() || value.text() != nullptr || value.sequence() != nullptr || value.dict() != nullptr;
}
bool is_sequence(const Value& value) {
  const Sequence* sequence = value.sequence();
  if (sequence != nullptr) return sequence->can_be_indexed();
  return value.is_undefined() || value.text() != nullptr || value.dict() != nullptr;
}
bool is_callable(const Value& value) {
  if (value.is_undefined()) return true;  // it has a __call__, if only to fail
  if (value.object() == nullptr) return false;
  const Object::Kind kind = value.object()->kind;
  return kind == Object::Kind::kMacro || kind == Object::Kind::kMethod || kind == Object::Kind::kGlobal ||
         kind == Object::Kind::kJoiner;
}

/// The tests without arguments and without failures.
Predicate find_predicate(std::string_view name) {
  static constexpr std::pair<std::string_view, Predicate> kPredicates[] = {
      {"boolean", [](const Value& v) { return v.is_bool(); }},
      {"callable", is_callable},
      {"defined", [](const Value& v) { return !v.is_undefined(); }},
      {"escaped", [](const Value& v) { return v.text() != nullptr && v.text()->markup; }},
      {"false", [](const Value& v) { return is_boolean_value(v, false); }},
      {"float", [](const Value& v) { return v.is_float(); }},
      {"integer", is_integer},
      {"iterable", is_iterable},
      {"mapping", [](const Value& v) { return v.dict() != nullptr; }},
      {"none", [](const Value& v) { return v.is_none(); }},
      {"number", [](const Value& v) { return v.is_number(); }},
      {"sequence", is_sequence},
      {"string", [](const Value& v) { return v.text() != nullptr; }},
      {"true", [](const Value& v) { return is_boolean_value(v, true); }},
      {"undefined", [](const Value& v) { return v.is_undefined(); }},
  };
  const auto* const found = std::find_if(std::begin(kPredicates), std::end(kPredicates),
                                         [&](const auto& entry) { return entry.first == name; });
  return found == std::end(kPredicates) ? nullptr : found->second;
}

template <Comparison kComparison>
Result<bool> comparison_test(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("a comparison", arguments, {"other"}, 1));
  return compare(runtime, kComparison, input, *bound[0]);
}

Result<bool> same_as(Runtime&, const Value& input, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("sameas", arguments, {"other"}, 1));
  return same(input, *bound[0]);
}

Result<bool> divisible(Runtime& runtime, const Value& input, const Value& divisor) {
  SAIN_ASSIGN_OR_RETURN(const Value remainder, arithmetic(runtime, Operator::kModulo, input, divisor));
  return equals(runtime, remainder, Value(int64_t{0}));
}

Result<bool> divisible_by(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("divisibleby", arguments, {"num"}, 1));
  return divisible(runtime, input, *bound[0]);
}

Result<bool> even(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_RETURN_IF_ERROR(bind("even", arguments, {}));
  return divisible(runtime, input, Value(int64_t{2}));
}

Result<bool> odd(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_RETURN_IF_ERROR(bind("odd", arguments, {}));
  SAIN_ASSIGN_OR_RETURN(const Value remainder, arithmetic(runtime, Operator::kModulo, input, Value(int64_t{2})));
  return equals(runtime, remainder, Value(int64_t{1}));
}

/// lower, upper: str(value).islower(), .isupper().
Result<bool> cased(Runtime& runtime, const Value& input, std::string_view method) {
  SAIN_ASSIGN_OR_RETURN(Text text, to_text(runtime, input));
  SAIN_ASSIGN_OR_RETURN(const Value value, runtime.make_text(std::move(text)));
  SAIN_ASSIGN_OR_RETURN(const Value result, find_text_method(method)(runtime, value, {}));
  return truthy(result);
}
Result<bool> lower(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_RETURN_IF_ERROR(bind("lower", arguments, {}));
  return cased(runtime, input, "islower");
}
Result<bool> upper(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_RETURN_IF_ERROR(bind("upper", arguments, {}));
  return cased(runtime, input, "isupper");
}

Result<bool> names_filter(Runtime&, const Value& input, const Arguments& arguments) {
  SAIN_RETURN_IF_ERROR(bind("filter", arguments, {}));
  return input.text() != nullptr && find_filter(input.text()->bytes()) != nullptr;
}
Result<bool> names_test(Runtime&, const Value& input, const Arguments& arguments) {
  SAIN_RETURN_IF_ERROR(bind("test", arguments, {}));
  return input.text() != nullptr && has_test(input.text()->bytes());
}

Test find_test_with_arguments(std::string_view name) {
  static constexpr std::pair<std::string_view, Test> kTests[] = {
      {"!=", comparison_test<Comparison::kNotEqual>},
      {"<", comparison_test<Comparison::kLess>},
      {"<=", comparison_test<Comparison::kLessEqual>},
      {"==", comparison_test<Comparison::kEqual>},
      {">", comparison_test<Comparison::kGreater>},
      {">=", comparison_test<Comparison::kGreaterEqual>},
      {"divisibleby", divisible_by},
      {"eq", comparison_test<Comparison::kEqual>},
      {"equalto", comparison_test<Comparison::kEqual>},
      {"even", even},
      {"filter", names_filter},
      {"ge", comparison_test<Comparison::kGreaterEqual>},
      {"greaterthan", comparison_test<Comparison::kGreater>},
      {"gt", comparison_test<Comparison::kGreater>},
      {"in", comparison_test<Comparison::kIn>},
      {"le", comparison_test<Comparison::kLessEqual>},
      {"lessthan", comparison_test<Comparison::kLess>},
      {"lower", lower},
      {"lt", comparison_test<Comparison::kLess>},
      {"ne", comparison_test<Comparison::kNotEqual>},
      {"odd", odd},
      {"sameas", same_as},
      {"test", names_test},
      {"upper", upper},
  };
  const auto* const found =
      std::find_if(std::begin(kTests), std::end(kTests), [&](const auto& entry) { return entry.first == name; });
  return found == std::end(kTests) ? nullptr : found->second;
}

}  // namespace

bool has_test(std::string_view name) {
  return find_predicate(name) != nullptr || find_test_with_arguments(name) != nullptr;
}

Result<bool> apply_test(Runtime& runtime, std::string_view name, const Value& input, const Arguments& arguments) {
  SAIN_RETURN_IF_ERROR(runtime.charge_steps(1));
  if (const Predicate predicate = find_predicate(name)) {
    SAIN_RETURN_IF_ERROR(bind(name, arguments, {}));
    return predicate(input);
  }
  if (const Test test = find_test_with_arguments(name)) return test(runtime, input, arguments);
  return make_error(ErrorCode::kUnsupported, "there is no test '{}'", name);
}

}  // namespace sain::formats::jinja
