#include "formats/jinja/filters.h"
#include "formats/jinja/operators.h"

namespace sain::formats::jinja {
namespace {

Result<Value> map(Runtime& runtime, const Value& input, const Arguments& arguments) {
  if (!truthy(input)) return runtime.make_iterator({});
  SAIN_ASSIGN_OR_RETURN(const auto items, iterate(runtime, input));
  Values results;
  if (arguments.positional.empty()) {
    SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("map", arguments, {"attribute", "default"}, 1));
    for (const Value& item : items->items) {
      SAIN_ASSIGN_OR_RETURN(Value result, follow_attribute(runtime, item, bound[0], bound[1]));
      results.push_back(std::move(result));
    }
    return runtime.make_iterator(std::move(results));
  }
  SAIN_ASSIGN_OR_RETURN(const Text* name, text_argument(&arguments.positional[0]));
  const Arguments rest{Values(arguments.positional.begin() + 1, arguments.positional.end()), arguments.keywords};
  for (const Value& item : items->items) {
    SAIN_ASSIGN_OR_RETURN(Value result, apply_filter(runtime, name->bytes(), item, rest));
    results.push_back(std::move(result));
  }
  return runtime.make_iterator(std::move(results));
}

enum class By { kItem, kAttribute };
enum class Keep { kPassing, kFailing };

/// select, reject (By::kItem) and selectattr, rejectattr: ([attribute,] [test, arguments...]).
template <By kBy, Keep kKeep>
Result<Value> choose(Runtime& runtime, const Value& input, const Arguments& arguments) {
  if (!truthy(input)) return runtime.make_iterator({});
  constexpr size_t kTestIndex = kBy == By::kAttribute ? 1 : 0;
  const Values& given = arguments.positional;
  if (given.size() < kTestIndex) return template_error("selectattr and rejectattr need the name of an attribute");
  const Value* attribute = kBy == By::kAttribute ? given.data() : nullptr;
  const Text* test = nullptr;
  Arguments rest{{}, arguments.keywords};
  if (given.size() > kTestIndex) {
    SAIN_ASSIGN_OR_RETURN(test, text_argument(&given[kTestIndex]));
    rest.positional.assign(given.begin() + kTestIndex + 1, given.end());
  }
  SAIN_ASSIGN_OR_RETURN(const auto items, iterate(runtime, input));
  Values chosen;
  for (const Value& item : items->items) {
    SAIN_ASSIGN_OR_RETURN(const Value subject, follow_attribute(runtime, item, attribute));
    bool passes = truthy(subject);
    if (test != nullptr) {
      SAIN_ASSIGN_OR_RETURN(passes, apply_test(runtime, test->bytes(), subject, rest));
    }
    if (passes == (kKeep == Keep::kPassing)) chosen.push_back(item);
  }
  return runtime.make_iterator(std::move(chosen));
}

}  // namespace

Filter find_selection_filter(std::string_view name) {
  if (name == "map") return map;
  if (name == "select") return choose<By::kItem, Keep::kPassing>;
  if (name == "reject") return choose<By::kItem, Keep::kFailing>;
  if (name == "selectattr") return choose<By::kAttribute, Keep::kPassing>;
  if (name == "rejectattr") return choose<By::kAttribute, Keep::kFailing>;
  return nullptr;
}

}  // namespace sain::formats::jinja
