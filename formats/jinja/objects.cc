#include "formats/jinja/objects.h"

#include <algorithm>

#include "formats/jinja/methods.h"
#include "formats/jinja/operators.h"

namespace sain::formats::jinja {
namespace {

template <class T>
T& as(const Value& self) {
  return static_cast<T&>(*self.object());
}

Result<Value> loop_cycle(Runtime&, const Value& self, const Arguments& arguments) {
  if (arguments.positional.empty()) return template_error("loop.cycle() needs items");
  return arguments.positional[as<LoopState>(self).index % arguments.positional.size()];
}

Result<Value> loop_changed(Runtime& runtime, const Value& self, const Arguments& arguments) {
  auto& loop = as<LoopState>(self);
  bool unchanged = loop.last_changed.size() == arguments.positional.size() && !loop.last_changed.empty();
  for (size_t i = 0; unchanged && i < arguments.positional.size(); ++i) {
    SAIN_ASSIGN_OR_RETURN(unchanged, equals(runtime, loop.last_changed[i], arguments.positional[i]));
  }
  if (!loop.has_ended) loop.last_changed = arguments.positional;
  return Value(!unchanged);
}

Result<Value> cycler_next(Runtime&, const Value& self, const Arguments&) {
  auto& cycler = as<Cycler>(self);
  const size_t position = std::exchange(cycler.position, (cycler.position + 1) % cycler.items.size());
  return cycler.items[position];
}

Result<Value> cycler_reset(Runtime&, const Value& self, const Arguments&) {
  as<Cycler>(self).position = 0;
  return Value(None{});
}

Value bound(const Value& self, Method method) {
  return Value(std::shared_ptr<Object>(std::make_shared<BoundMethod>(self, method)));
}

Value loop_attribute(const Value& self, const std::string& name) {
  const auto& loop = as<LoopState>(self);
  const auto count = [](size_t n) { return Value(static_cast<int64_t>(n)); };
  const size_t size = loop.items->items.size();
  if (name == "index") return count(loop.index + 1);
  if (name == "index0") return count(loop.index);
  if (name == "first") return Value(loop.index == 0);
  if (name == "last") return Value(loop.index + 1 == size);
  if (name == "length") return count(size);
  if (name == "revindex") return count(size - loop.index);
  if (name == "revindex0") return count(size - loop.index - 1);
  if (name == "depth") return count(1);  // only recursive loops have more
  if (name == "depth0") return count(0);
  if (name == "previtem") return loop.index == 0 ? Value() : loop.items->items[loop.index - 1];
  if (name == "nextitem") return loop.index + 1 >= size ? Value() : loop.items->items[loop.index + 1];
  if (name == "cycle") return bound(self, loop_cycle);
  if (name == "changed") return bound(self, loop_changed);
  return Value(Undefined{&name});
}

}  // namespace

Result<Value> get_object_attribute(Runtime& runtime, const Value& object, const std::string& name) {
  SAIN_RETURN_IF_ERROR(runtime.charge_memory(sizeof(BoundMethod)));
  switch (object.object()->kind) {
    case Object::Kind::kNamespace: {
      const auto& attributes = as<Namespace>(object).attributes;
      const auto found =
          std::find_if(attributes.begin(), attributes.end(), [&](const auto& entry) { return entry.first == name; });
      SAIN_RETURN_IF_ERROR(runtime.charge_items_scan(attributes.size()));
      if (found != attributes.end()) return found->second;
      break;
    }
    case Object::Kind::kLoop:
      return loop_attribute(object, name);
    case Object::Kind::kCycler: {
      const auto& cycler = as<Cycler>(object);
      if (name == "current") return cycler.items[cycler.position];
      if (name == "next") return bound(object, cycler_next);
      if (name == "reset") return bound(object, cycler_reset);
      break;
    }
    case Object::Kind::kMacro:
      if (name == "name") return runtime.make_text(as<Macro>(object).body.name, Trust::kTemplate);
      break;
    case Object::Kind::kMethod:
    case Object::Kind::kGlobal:
    case Object::Kind::kJoiner:
      break;
  }
  return Value(Undefined{&name});
}

}  // namespace sain::formats::jinja
