// What every operation of one rendering shares: the bounds, the clock, and the making of values within the bounds.
#pragma once

#include <array>
#include <ctime>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "formats/jinja/limits.h"
#include "formats/jinja/value.h"
#include "formats/result.h"

namespace sain::formats::jinja {

/// One rendering's account. Not thread safe; each rendering has its own.
class Runtime {
 public:
  Runtime(const TemplateLimits& limits, std::time_t now) : limits_(limits), now_(now) {}
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  const TemplateLimits& limits() const { return limits_; }
  std::time_t now() const { return now_; }

  /// Accounts for work or memory before it is done or taken. Errors: kResourceExhausted.
  Status charge_steps(size_t n_steps);
  Status charge_text_scan(size_t n_bytes) { return charge_steps(n_bytes / 64); }
  Status charge_items_scan(size_t n_items) { return charge_steps(n_items / 8); }
  Status charge_memory(size_t n_bytes);
  /// n_items of item_bytes each, whatever the product.
  Status charge_memory(size_t n_items, size_t item_bytes);

  /// Makers of values; each charges for what it keeps. Errors: kResourceExhausted.
  Result<Value> make_text(Text text);
  Result<Value> make_text(std::string bytes, Trust trust) { return make_text(Text(std::move(bytes), trust)); }
  Result<Value> make_sequence(Sequence::Kind kind, Values items, std::string_view view_name = {});
  Result<Value> make_list(Values items) { return make_sequence(Sequence::Kind::kList, std::move(items)); }
  Result<Value> make_tuple(Values items) { return make_sequence(Sequence::Kind::kTuple, std::move(items)); }
  Result<Value> make_iterator(Values items) { return make_sequence(Sequence::Kind::kIterator, std::move(items)); }
  Result<Value> make_dict(std::vector<std::pair<Value, Value>> entries);
  /// A namespace with these attributes. It may come to hold itself, so it is emptied when the rendering ends.
  Result<Value> make_namespace(std::vector<std::pair<std::string, Value>> attributes);

 private:
  TemplateLimits limits_;
  std::time_t now_;
  size_t steps_ = 0;
  size_t memory_bytes_ = 0;
  std::vector<std::shared_ptr<struct Namespace>> namespaces_;
};

/// {% set ns.x = ... %}: the only thing that a template can change.
struct Namespace : Object {
  Namespace() : Object(Kind::kNamespace) {}
  std::vector<std::pair<std::string, Value>> attributes;
};

/// A failure of the template's own logic or types.
template <class... Args>
[[nodiscard]] Error template_error(fmt::format_string<Args...> format, Args&&... args) {
  return make_error(ErrorCode::kInvalidArgument, format, std::forward<Args>(args)...);
}

/// The error of using an Undefined.
Error undefined_error(const Undefined& undefined);
/// "expected <what>, found <type>", or undefined_error() if that is what was found.
Error type_error(std::string_view expected, const Value& found);

/// Arguments bound to parameters by Python's rules: nullptr where one was not given.
inline constexpr size_t kMaxParameters = 5;
using Bound = std::array<const Value*, kMaxParameters>;
/// Errors: too many, too few, unknown or doubled arguments. The result points into `arguments`.
Result<Bound> bind(std::string_view function, const Arguments& arguments, std::initializer_list<std::string_view> names,
                   size_t n_required = 0);

/// An argument read as a type, with a default for one that was not given or (where marked) is None.
Result<int64_t> integer_or(const Value* argument, int64_t fallback);
Result<const Text*> text_argument(const Value* argument);

}  // namespace sain::formats::jinja
