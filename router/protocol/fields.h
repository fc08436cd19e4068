// Reads the fields of a JSON object that nobody vouches for.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "formats/result.h"

namespace sain::router {

/// Keeps the first error, a kInvalidArgument that names the field, what was expected and what was found. After one, and
/// for a field that is wrong, values are defaults. Fields that nobody asks for may be there. The object and `error`
/// must outlive it.
class Fields {
 public:
  /// `path` stands before each field's name in errors; empty: the name stands alone.
  Fields(const nlohmann::json& object, std::string path, std::optional<Error>& error);

  bool has(const char* name) const { return object_->is_object() && object_->contains(name); }
  size_t size() const { return object_->is_object() ? object_->size() : 0; }

  std::string text(const char* name);
  std::string some_text(const char* name);                   // not empty
  double number(const char* name, double low, double high);  // both included
  uint64_t count(const char* name, uint64_t most = UINT64_MAX, uint64_t least = 0);
  bool flag(const char* name);
  Fields object(const char* name);
  const nlohmann::json* array(const char* name);  // nullptr: there is none

  /// The one that to_string() gives this name; `last` is the greatest enumerator.
  template <class Enum>
  Enum one_of(const char* name, Enum last);

  void fail(const char* name, std::string_view expected);

 private:
  const nlohmann::json* find(const char* name, std::string_view expected);
  std::string path_of(const char* name) const;

  const nlohmann::json* object_;
  std::string path_;
  std::optional<Error>* error_;
};

template <class Enum>
Enum Fields::one_of(const char* name, Enum last) {
  const std::string found = text(name);
  std::string names;
  for (auto i = std::underlying_type_t<Enum>(0); i <= static_cast<std::underlying_type_t<Enum>>(last); ++i) {
    if (to_string(Enum(i)) == found) return Enum(i);
    names += (names.empty() ? "" : ", ") + std::string(to_string(Enum(i)));
  }
  fail(name, "one of " + names);
  return Enum(0);
}

}  // namespace sain::router
