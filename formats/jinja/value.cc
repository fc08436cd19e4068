#include "formats/jinja/value.h"

namespace sain::formats::jinja {

std::optional<int64_t> Value::integer() const {
  if (const auto* i = std::get_if<int64_t>(&data_)) return *i;
  if (const auto* b = std::get_if<bool>(&data_)) return *b ? 1 : 0;
  return std::nullopt;
}

std::optional<double> Value::number() const {
  if (const auto* f = std::get_if<double>(&data_)) return *f;
  if (const auto i = integer()) return static_cast<double>(*i);
  return std::nullopt;
}

Value Value::with_scalar_trust(Trust trust) const {
  Value result = *this;
  result.trust_ = trust;
  return result;
}

const Value* Dict::find(std::string_view key) const {
  for (const auto& [name, value] : entries) {
    if (const Text* text = name.text(); text != nullptr && text->bytes() == key) return &value;
  }
  return nullptr;
}

std::string_view type_name(const Value& value) {
  if (value.is_undefined()) return "Undefined";
  if (value.is_none()) return "NoneType";
  if (value.is_bool()) return "bool";
  if (value.is_float()) return "float";
  if (value.integer()) return "int";
  if (value.text() != nullptr) return "str";
  if (value.dict() != nullptr) return "dict";
  if (const Sequence* sequence = value.sequence()) {
    switch (sequence->kind) {
      case Sequence::Kind::kList:
        return "list";
      case Sequence::Kind::kTuple:
      case Sequence::Kind::kGroup:
        return "tuple";
      case Sequence::Kind::kRange:
        return "range";
      case Sequence::Kind::kView:
        return sequence->view_name;
      case Sequence::Kind::kIterator:
        return "generator";
    }
  }
  switch (value.object()->kind) {
    case Object::Kind::kNamespace:
      return "Namespace";
    case Object::Kind::kLoop:
      return "LoopContext";
    case Object::Kind::kMacro:
      return "Macro";
    case Object::Kind::kMethod:
      return "builtin_function_or_method";
    case Object::Kind::kGlobal:
      return "function";
    case Object::Kind::kCycler:
      return "Cycler";
    case Object::Kind::kJoiner:
      return "Joiner";
  }
  return "object";
}

bool truthy(const Value& value) {
  if (value.is_undefined() || value.is_none()) return false;
  if (const auto number = value.number()) return *number != 0;
  if (const Text* text = value.text()) return !text->empty();
  if (const Dict* dict = value.dict()) return !dict->entries.empty();
  if (const Sequence* sequence = value.sequence()) {
    return sequence->kind == Sequence::Kind::kIterator || !sequence->items.empty();
  }
  return true;
}

}  // namespace sain::formats::jinja
