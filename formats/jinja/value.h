// The values that a template computes with: Python's, as far as templates see them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "formats/jinja/text.h"

namespace sain::formats::jinja {

struct Sequence;
struct Dict;
struct Object;

/// A missing variable, attribute or item: prints as nothing, is false, and fails when it is used otherwise.
struct Undefined {
  const std::string* name = nullptr;  // for messages; owned by the compiled template
};
struct None {
  bool operator==(const None&) const = default;
};

/// Cheap to copy; everything but Object is immutable once shared. Lives no longer than one rendering, except for a
/// template's literals, which are strings and numbers only.
class Value {
 public:
  using Data = std::variant<Undefined, None, bool, int64_t, double, std::shared_ptr<const Text>,
                            std::shared_ptr<const Sequence>, std::shared_ptr<const Dict>, std::shared_ptr<Object>>;

  Value() = default;
  Value(Undefined undefined) : data_(undefined) {}
  Value(None none) : data_(none) {}
  template <class T>
  requires std::is_same_v<T, bool> Value(T boolean) : data_(boolean) {}
  Value(int64_t integer, Trust trust = Trust::kTemplate) : data_(integer), trust_(trust) {}
  Value(double number, Trust trust = Trust::kTemplate) : data_(number), trust_(trust) {}
  Value(std::shared_ptr<const Text> text) : data_(std::move(text)) {}
  Value(std::shared_ptr<const Sequence> sequence) : data_(std::move(sequence)) {}
  Value(std::shared_ptr<const Dict> dict) : data_(std::move(dict)) {}
  Value(std::shared_ptr<Object> object) : data_(std::move(object)) {}

  const Data& data() const { return data_; }
  bool is_undefined() const { return std::holds_alternative<Undefined>(data_); }
  bool is_none() const { return std::holds_alternative<None>(data_); }
  bool is_bool() const { return std::holds_alternative<bool>(data_); }
  bool is_float() const { return std::holds_alternative<double>(data_); }
  bool is_number() const { return integer().has_value() || is_float(); }

  /// The value of an int or a bool, which is an int in Python.
  std::optional<int64_t> integer() const;
  /// The value of an int, bool or float.
  std::optional<double> number() const;
  /// nullptr unless the value is of that kind.
  const Text* text() const { return get_pointer<const Text>(); }
  const Sequence* sequence() const { return get_pointer<const Sequence>(); }
  const Dict* dict() const { return get_pointer<const Dict>(); }
  Object* object() const { return get_pointer<Object>(); }
  template <class T>
  std::shared_ptr<T> shared() const {
    const auto* pointer = std::get_if<std::shared_ptr<T>>(&data_);
    return pointer == nullptr ? nullptr : *pointer;
  }

  /// The provenance of a number, bool or None when it is printed; strings carry their own.
  Trust scalar_trust() const { return trust_; }
  Value with_scalar_trust(Trust trust) const;

 private:
  template <class T>
  T* get_pointer() const {
    const auto* pointer = std::get_if<std::shared_ptr<T>>(&data_);
    return pointer == nullptr ? nullptr : pointer->get();
  }
  Data data_;
  Trust trust_ = Trust::kTemplate;
};

using Values = std::vector<Value>;

/// Everything with items in order.
struct Sequence {
  enum class Kind {
    kList,
    kTuple,
    kGroup,     // the pair that groupby gives: a tuple with the attributes `grouper` and `list`
    kRange,     // range(): can be indexed, prints otherwise
    kView,      // dict.keys() and its kin: has a length, cannot be indexed
    kIterator,  // what a generator filter (map, select, ...) gives: always true, read once, nothing else
  };
  Kind kind = Kind::kList;
  Values items;
  std::string_view view_name;      // kView: Python's name of the type
  size_t depth = 1;                // 1 + the depth of the deepest item, at most kMaxValueDepth
  mutable bool exhausted = false;  // kIterator: has been read
  bool can_be_indexed() const { return kind != Kind::kView && kind != Kind::kIterator; }
  bool is_tuple() const { return kind == Kind::kTuple || kind == Kind::kGroup; }
};

/// Keys in the order of insertion. Lookup is linear: the dicts of chat templates are small.
struct Dict {
  std::vector<std::pair<Value, Value>> entries;
  size_t depth = 1;

  /// nullptr if there is none.
  const Value* find(std::string_view key) const;
};

/// A mutable or callable thing with an identity.
struct Object {
  enum class Kind { kNamespace, kLoop, kMacro, kMethod, kGlobal, kCycler, kJoiner };
  const Kind kind;

  explicit Object(Kind k) : kind(k) {}
  virtual ~Object() = default;
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
};

/// The arguments of a call, in Python's two kinds.
struct Arguments {
  Values positional;
  std::vector<std::pair<std::string, Value>> keywords;
};

/// Python's name of the value's type, for messages.
std::string_view type_name(const Value& value);

/// bool(value).
bool truthy(const Value& value);

}  // namespace sain::formats::jinja
