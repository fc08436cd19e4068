// The objects with an identity: loops, macros, cyclers, joiners, and the functions that every template has.
#pragma once

#include <string>
#include <string_view>

#include "formats/jinja/ast.h"
#include "formats/jinja/runtime.h"

namespace sain::formats::jinja {

struct Scope;

/// The variable `loop`.
struct LoopState : Object {
  LoopState() : Object(Kind::kLoop) {}
  std::shared_ptr<const Sequence> items;
  size_t index = 0;     // of the current round, from 0
  Values last_changed;  // what loop.changed() saw last; may hold the loop itself, so nothing once the loop has ended
  bool has_ended = false;
};

/// A macro or a caller, with the scope that its body sees. The scope outlives it.
struct Macro : Object {
  Macro(const MacroBody& b, Scope* s) : Object(Kind::kMacro), body(b), scope(s) {}
  const MacroBody& body;
  Scope* scope;
};

using Function = Result<Value> (*)(Runtime&, const Arguments&);
struct GlobalFunction : Object {
  explicit GlobalFunction(Function f) : Object(Kind::kGlobal), function(f) {}
  Function function;
};

struct Cycler : Object {
  explicit Cycler(Values i) : Object(Kind::kCycler), items(std::move(i)) {}
  Values items;
  size_t position = 0;
};

struct Joiner : Object {
  explicit Joiner(Value s) : Object(Kind::kJoiner), separator(std::move(s)) {}
  Value separator;
  bool used = false;
};

/// range, dict, namespace, cycler, joiner, raise_exception, strftime_now; nullptr for another name.
Function find_function(std::string_view name);

/// The attributes of objects: loop.index, ns.x, macro.name, cycler.next. Undefined if there is none.
Result<Value> get_object_attribute(Runtime& runtime, const Value& object, const std::string& name);

}  // namespace sain::formats::jinja
