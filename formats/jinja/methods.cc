#include "formats/jinja/methods.h"

#include <algorithm>
#include <array>

#include "formats/jinja/objects.h"
#include "formats/jinja/operators.h"

namespace sain::formats::jinja {
namespace {

/// What the sandbox of chat templates forbids: values do not change, but for namespaces.
constexpr std::array<std::string_view, 8> kListChanges = {"append", "clear",  "extend",  "insert",
                                                          "pop",    "remove", "reverse", "sort"};
constexpr std::array<std::string_view, 5> kDictChanges = {"clear", "pop", "popitem", "setdefault", "update"};

Result<Value> forbidden(Runtime&, const Value& self, const Arguments&) {
  return template_error("a method that would change a {}, which a chat template may not", type_name(self));
}

bool changes_its_object(const Value& self, std::string_view name) {
  const Sequence* sequence = self.sequence();
  if (sequence != nullptr && sequence->kind == Sequence::Kind::kList) {
    return std::find(kListChanges.begin(), kListChanges.end(), name) != kListChanges.end();
  }
  return self.dict() != nullptr && std::find(kDictChanges.begin(), kDictChanges.end(), name) != kDictChanges.end();
}

Result<Value> dict_keys(Runtime& runtime, const Value& self, const Arguments& arguments) {
  SAIN_RETURN_IF_ERROR(bind("keys", arguments, {}));
  Values keys;
  for (const auto& entry : self.dict()->entries) keys.push_back(entry.first);
  return runtime.make_sequence(Sequence::Kind::kView, std::move(keys), "dict_keys");
}

Result<Value> dict_values(Runtime& runtime, const Value& self, const Arguments& arguments) {
  SAIN_RETURN_IF_ERROR(bind("values", arguments, {}));
  Values values;
  for (const auto& entry : self.dict()->entries) values.push_back(entry.second);
  return runtime.make_sequence(Sequence::Kind::kView, std::move(values), "dict_values");
}

Result<Value> dict_items(Runtime& runtime, const Value& self, const Arguments& arguments) {
  SAIN_RETURN_IF_ERROR(bind("items", arguments, {}));
  Values items;
  for (const auto& [key, value] : self.dict()->entries) {
    SAIN_ASSIGN_OR_RETURN(Value pair, runtime.make_tuple({key, value}));
    items.push_back(std::move(pair));
  }
  return runtime.make_sequence(Sequence::Kind::kView, std::move(items), "dict_items");
}

Result<Value> dict_get(Runtime& runtime, const Value& self, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("get", arguments, {"key", "default"}, 1));
  if (!arguments.keywords.empty()) return template_error("get() takes no keyword arguments");
  SAIN_RETURN_IF_ERROR(check_hashable(runtime, *bound[0]));
  SAIN_ASSIGN_OR_RETURN(const Value* found, find_key(runtime, *self.dict(), *bound[0]));
  if (found != nullptr) return *found;
  return bound[1] == nullptr ? Value(None{}) : *bound[1];
}

Result<Value> copy(Runtime&, const Value& self, const Arguments& arguments) {
  SAIN_RETURN_IF_ERROR(bind("copy", arguments, {}));
  return self;  // values do not change, so that one copy is as good as two
}

Result<Value> sequence_index(Runtime& runtime, const Value& self, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("index", arguments, {"value"}, 1));
  const Values& items = self.sequence()->items;
  for (size_t i = 0; i < items.size(); ++i) {
    SAIN_ASSIGN_OR_RETURN(const bool equal, equals(runtime, items[i], *bound[0]));
    if (equal) return Value(static_cast<int64_t>(i));
  }
  return template_error("index() did not find the value");
}

Result<Value> sequence_count(Runtime& runtime, const Value& self, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("count", arguments, {"value"}, 1));
  int64_t n = 0;
  for (const Value& item : self.sequence()->items) {
    SAIN_ASSIGN_OR_RETURN(const bool equal, equals(runtime, item, *bound[0]));
    n += equal ? 1 : 0;
  }
  return Value(n);
}

Method find_dict_method(std::string_view name) {
  if (name == "keys") return dict_keys;
  if (name == "values") return dict_values;
  if (name == "items") return dict_items;
  if (name == "get") return dict_get;
  if (name == "copy") return copy;
  return nullptr;
}

}  // namespace

Method find_method(const Value& self, std::string_view name) {
  if (self.text() != nullptr) return find_text_method(name);
  if (changes_its_object(self, name)) return forbidden;
  if (self.dict() != nullptr) return find_dict_method(name);
  const Sequence* sequence = self.sequence();
  if (sequence == nullptr || !sequence->can_be_indexed()) return nullptr;
  if (name == "index") return sequence_index;
  if (name == "count") return sequence_count;
  if (name == "copy" && sequence->kind == Sequence::Kind::kList) return copy;
  return nullptr;
}

Result<Value> get_attribute(Runtime& runtime, const Value& object, const std::string& name) {
  if (object.is_undefined()) return type_error("something with attributes", object);
  if (object.object() != nullptr) return get_object_attribute(runtime, object, name);
  if (changes_its_object(object, name)) return Value(Undefined{&name});
  if (const Method method = find_method(object, name)) {
    SAIN_RETURN_IF_ERROR(runtime.charge_memory(sizeof(BoundMethod)));
    return Value(std::shared_ptr<Object>(std::make_shared<BoundMethod>(object, method)));
  }
  if (const Dict* dict = object.dict()) {
    SAIN_RETURN_IF_ERROR(runtime.charge_items_scan(dict->entries.size()));
    if (const Value* found = dict->find(name)) return *found;
  }
  const Sequence* sequence = object.sequence();
  if (sequence != nullptr && sequence->kind == Sequence::Kind::kGroup) {
    if (name == "grouper") return sequence->items[0];
    if (name == "list") return sequence->items[1];
  }
  return Value(Undefined{&name});
}

Result<Value> get_item(Runtime& runtime, const Value& object, const Value& index) {
  SAIN_ASSIGN_OR_RETURN(const std::optional<Value> found, item(runtime, object, index));
  if (found) return *found;
  const Text* name = index.text();
  if (name == nullptr) return Value();
  SAIN_ASSIGN_OR_RETURN(const Value attribute, get_attribute(runtime, object, name->bytes()));
  // The name may not live as long as an Undefined would remember it.
  return attribute.is_undefined() ? Value() : attribute;
}

}  // namespace sain::formats::jinja
