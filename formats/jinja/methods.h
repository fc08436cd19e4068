// The methods of strings, lists, tuples and dicts that a template may call, and the attributes that values have.
#pragma once

#include <string_view>

#include "formats/jinja/runtime.h"

namespace sain::formats::jinja {

using Method = Result<Value> (*)(Runtime&, const Value& self, const Arguments&);

/// A method bound to its object: `x.upper` without the call.
struct BoundMethod : Object {
  BoundMethod(Value s, Method m) : Object(Kind::kMethod), self(std::move(s)), method(m) {}
  Value self;
  Method method;
};

/// nullptr if values of self's type have no such method. Methods that would change their object are there, and fail.
Method find_method(const Value& self, std::string_view name);
Method find_text_method(std::string_view name);

/// object.name: the method or attribute, else the item of that name, else Undefined (which remembers `name`).
/// Errors: an attribute of an Undefined.
Result<Value> get_attribute(Runtime& runtime, const Value& object, const std::string& name);

/// object[index]: the item, else for a string the attribute of that name, else Undefined.
Result<Value> get_item(Runtime& runtime, const Value& object, const Value& index);

/// text % value, Python's old formatting.
Result<Value> percent_format(Runtime& runtime, const Text& format, const Value& value);
/// format.format(*positional, **keywords).
Result<Value> brace_format(Runtime& runtime, const Value& format, const Arguments& arguments);

/// round(number, n_digits) for a float: half to even on the exact value, as CPython does.
double round_float(double number, int n_digits);

}  // namespace sain::formats::jinja
