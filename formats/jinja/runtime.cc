#include "formats/jinja/runtime.h"

#include <algorithm>

namespace sain::formats::jinja {
namespace {

size_t depth_of(const Value& value) {
  if (const Sequence* sequence = value.sequence()) return sequence->depth;
  if (const Dict* dict = value.dict()) return dict->depth;
  return 0;
}

Error too_deep() {
  return make_error(ErrorCode::kResourceExhausted, "lists and dicts nested deeper than {}", kMaxValueDepth);
}

}  // namespace

Runtime::~Runtime() {
  for (const auto& space : namespaces_) space->attributes.clear();
}

Status Runtime::charge_steps(size_t n_steps) {
  steps_ += std::min(n_steps, limits_.steps + 1);
  if (steps_ > limits_.steps) {
    return make_error(ErrorCode::kResourceExhausted, "the template takes more than {} steps", limits_.steps);
  }
  return {};
}

Status Runtime::charge_memory(size_t n_bytes) {
  memory_bytes_ += std::min(n_bytes, limits_.memory_bytes + 1);
  if (memory_bytes_ > limits_.memory_bytes) {
    return make_error(ErrorCode::kResourceExhausted, "the template's values take more than {} bytes",
                      limits_.memory_bytes);
  }
  return {};
}

Status Runtime::charge_memory(size_t n_items, size_t item_bytes) {
  if (item_bytes != 0 && n_items > limits_.memory_bytes / item_bytes) return charge_memory(limits_.memory_bytes + 1);
  return charge_memory(n_items * item_bytes);
}

Result<Value> Runtime::make_text(Text text) {
  SAIN_RETURN_IF_ERROR(charge_memory(text.memory_bytes() + sizeof(Text)));
  return Value(std::make_shared<const Text>(std::move(text)));
}

Result<Value> Runtime::make_sequence(Sequence::Kind kind, Values items, std::string_view view_name) {
  SAIN_RETURN_IF_ERROR(charge_memory(sizeof(Sequence) + items.size() * sizeof(Value)));
  auto sequence = std::make_shared<Sequence>();
  for (const Value& item : items) sequence->depth = std::max(sequence->depth, depth_of(item) + 1);
  if (sequence->depth > kMaxValueDepth) return too_deep();
  sequence->kind = kind;
  sequence->items = std::move(items);
  sequence->view_name = view_name;
  return Value(std::shared_ptr<const Sequence>(std::move(sequence)));
}

Result<Value> Runtime::make_dict(std::vector<std::pair<Value, Value>> entries) {
  SAIN_RETURN_IF_ERROR(charge_memory(sizeof(Dict) + entries.size() * 2 * sizeof(Value)));
  auto dict = std::make_shared<Dict>();
  for (const auto& [key, value] : entries)
    dict->depth = std::max({dict->depth, depth_of(key) + 1, depth_of(value) + 1});
  if (dict->depth > kMaxValueDepth) return too_deep();
  dict->entries = std::move(entries);
  return Value(std::shared_ptr<const Dict>(std::move(dict)));
}

Result<Value> Runtime::make_namespace(std::vector<std::pair<std::string, Value>> attributes) {
  SAIN_RETURN_IF_ERROR(charge_memory(sizeof(Namespace) + attributes.size() * sizeof(attributes[0])));
  auto space = std::make_shared<Namespace>();
  space->attributes = std::move(attributes);
  namespaces_.push_back(space);
  return Value(std::shared_ptr<Object>(std::move(space)));
}

Error undefined_error(const Undefined& undefined) {
  if (undefined.name == nullptr) return template_error("an item that does not exist is used");
  return template_error("'{}' is undefined", *undefined.name);
}

Error type_error(std::string_view expected, const Value& found) {
  if (const auto* undefined = std::get_if<Undefined>(&found.data())) return undefined_error(*undefined);
  return template_error("expected {}, found {}", expected, type_name(found));
}

Result<Bound> bind(std::string_view function, const Arguments& arguments, std::initializer_list<std::string_view> names,
                   size_t n_required) {
  Bound bound{};
  if (arguments.positional.size() > names.size()) {
    return template_error("{}() takes at most {} arguments, {} were given", function, names.size(),
                          arguments.positional.size());
  }
  for (size_t i = 0; i < arguments.positional.size(); ++i) bound[i] = &arguments.positional[i];
  for (const auto& [keyword, value] : arguments.keywords) {
    const auto* const name = std::find(names.begin(), names.end(), keyword);
    if (name == names.end()) return template_error("{}() has no parameter '{}'", function, keyword);
    const Value*& slot = bound[static_cast<size_t>(name - names.begin())];
    if (slot != nullptr) return template_error("{}() got '{}' twice", function, keyword);
    slot = &value;
  }
  for (size_t i = 0; i < n_required; ++i) {
    if (bound[i] == nullptr) return template_error("{}() needs its argument '{}'", function, names.begin()[i]);
  }
  return bound;
}

Result<int64_t> integer_or(const Value* argument, int64_t fallback) {
  if (argument == nullptr) return fallback;
  const auto integer = argument->integer();
  if (!integer) return type_error("an integer", *argument);
  return *integer;
}

Result<const Text*> text_argument(const Value* argument) {
  const Text* text = argument->text();
  if (text == nullptr) return type_error("a string", *argument);
  return text;
}

}  // namespace sain::formats::jinja
