#include <algorithm>

#include "formats/jinja/filters.h"
#include "formats/jinja/interpreter.h"
#include "formats/jinja/methods.h"
#include "formats/jinja/operators.h"
#include "formats/jinja/to_text.h"

namespace sain::formats::jinja {

Result<Value> Interpreter::evaluate(const Expression& node) {
  const Level level(depth_);
  SAIN_RETURN_IF_ERROR(enter(node.line));
  return evaluate_node(node);
}

Result<Value> Interpreter::evaluate_node(const Expression& node) {
  using Kind = Expression::Kind;
  switch (node.kind) {
    case Kind::kLiteral:
      return node.value;
    case Kind::kName:
      return evaluate_name(node);
    case Kind::kList:
    case Kind::kTuple: {
      SAIN_ASSIGN_OR_RETURN(Values items, evaluate_children(node));
      return node.kind == Kind::kList ? runtime_.make_list(std::move(items)) : runtime_.make_tuple(std::move(items));
    }
    case Kind::kDict:
      return evaluate_dict(node);
    case Kind::kAttribute: {
      SAIN_ASSIGN_OR_RETURN(const Value object, evaluate(*node.children[0]));
      return get_attribute(runtime_, object, node.text);
    }
    case Kind::kItem: {
      SAIN_ASSIGN_OR_RETURN(const Values parts, evaluate_children(node));
      return get_item(runtime_, parts[0], parts[1]);
    }
    case Kind::kSlice:
      return evaluate_slice(node);
    case Kind::kCall:
      return evaluate_call(node);
    case Kind::kFilter:
      return evaluate_filter(node, nullptr);
    case Kind::kTest:
      return evaluate_test(node);
    case Kind::kNot:
    case Kind::kNegate:
    case Kind::kPlus: {
      SAIN_ASSIGN_OR_RETURN(const Value operand, evaluate(*node.children[0]));
      if (node.kind == Kind::kNot) return Value(!truthy(operand));
      if (node.kind == Kind::kNegate) return negate(operand);
      return arithmetic(runtime_, Operator::kAdd, Value(int64_t{0}), operand);
    }
    case Kind::kArithmetic:
      return evaluate_arithmetic(node);
    case Kind::kConcatenate:
      return evaluate_concatenation(node);
    case Kind::kAnd:
    case Kind::kOr:
      return evaluate_logic(node);
    case Kind::kCompare:
      return evaluate_comparison(node);
    case Kind::kConditional:
      return evaluate_conditional(node);
    case Kind::kNamespaceAttribute:
      break;
  }
  return make_error(ErrorCode::kInternal, "a node that is no expression");
}

Result<Value> Interpreter::evaluate_name(const Expression& node) {
  SAIN_ASSIGN_OR_RETURN(const Value* found, find_variable(node.name_id));
  if (found != nullptr) return *found;
  return Value(Undefined{&node.text});
}

Result<Values> Interpreter::evaluate_children(const Expression& node) {
  Values values;
  for (const ExpressionPtr& child : node.children) {
    SAIN_ASSIGN_OR_RETURN(Value value, evaluate(*child));
    values.push_back(std::move(value));
  }
  return values;
}

Result<Value> Interpreter::evaluate_dict(const Expression& node) {
  SAIN_ASSIGN_OR_RETURN(const Values parts, evaluate_children(node));
  std::vector<std::pair<Value, Value>> entries;
  for (size_t i = 0; i < parts.size(); i += 2) {
    SAIN_RETURN_IF_ERROR(check_hashable(runtime_, parts[i]));
    bool replaced = false;
    for (auto& [key, value] : entries) {
      SAIN_ASSIGN_OR_RETURN(replaced, equals(runtime_, key, parts[i]));
      if (!replaced) continue;
      value = parts[i + 1];
      break;
    }
    if (!replaced) entries.emplace_back(parts[i], parts[i + 1]);
  }
  return runtime_.make_dict(std::move(entries));
}

Result<Value> Interpreter::evaluate_slice(const Expression& node) {
  SAIN_ASSIGN_OR_RETURN(const Value object, evaluate(*node.children[0]));
  Value parts[3] = {None{}, None{}, None{}};
  for (size_t i = 0; i < 3; ++i) {
    if (node.children[i + 1] == nullptr) continue;
    SAIN_ASSIGN_OR_RETURN(parts[i], evaluate(*node.children[i + 1]));
  }
  return slice(runtime_, object, parts[0], parts[1], parts[2]);
}

Result<Value> Interpreter::evaluate_arithmetic(const Expression& node) {
  SAIN_ASSIGN_OR_RETURN(Value left, evaluate(*node.children[0]));
  for (size_t i = 0; i < node.operators.size(); ++i) {
    SAIN_ASSIGN_OR_RETURN(const Value right, evaluate(*node.children[i + 1]));
    SAIN_ASSIGN_OR_RETURN(left, arithmetic(runtime_, node.operators[i], left, right));
  }
  return left;
}

Result<Value> Interpreter::evaluate_concatenation(const Expression& node) {
  Text result;
  for (const ExpressionPtr& child : node.children) {
    SAIN_ASSIGN_OR_RETURN(const Value value, evaluate(*child));
    SAIN_ASSIGN_OR_RETURN(const Text text, to_text(runtime_, value));
    result.append(text);
  }
  return runtime_.make_text(std::move(result));
}

Result<Value> Interpreter::evaluate_comparison(const Expression& node) {
  SAIN_ASSIGN_OR_RETURN(Value left, evaluate(*node.children[0]));
  for (size_t i = 0; i < node.comparisons.size(); ++i) {
    SAIN_ASSIGN_OR_RETURN(Value right, evaluate(*node.children[i + 1]));
    SAIN_ASSIGN_OR_RETURN(const bool holds, compare(runtime_, node.comparisons[i], left, right));
    if (!holds) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

Result<Value> Interpreter::evaluate_logic(const Expression& node) {
  const bool stops_at = node.kind == Expression::Kind::kOr;
  Value value;
  for (const ExpressionPtr& child : node.children) {
    SAIN_ASSIGN_OR_RETURN(value, evaluate(*child));
    if (truthy(value) == stops_at) break;
  }
  return value;
}

Result<Value> Interpreter::evaluate_conditional(const Expression& node) {
  SAIN_ASSIGN_OR_RETURN(const Value condition, evaluate(*node.children[0]));
  if (truthy(condition)) return evaluate(*node.children[1]);
  if (node.children[2] == nullptr) return Value();
  return evaluate(*node.children[2]);
}

Result<Arguments> Interpreter::evaluate_arguments(const Expression& node) {
  Arguments arguments;
  const size_t n_positional = node.children.size() - node.keywords.size();
  for (size_t i = 1; i < n_positional; ++i) {
    SAIN_ASSIGN_OR_RETURN(Value value, evaluate(*node.children[i]));
    arguments.positional.push_back(std::move(value));
  }
  for (size_t i = 0; i < node.keywords.size(); ++i) {
    SAIN_ASSIGN_OR_RETURN(Value value, evaluate(*node.children[n_positional + i]));
    arguments.keywords.emplace_back(node.keywords[i], std::move(value));
  }
  if (node.more_positional != nullptr) {
    SAIN_ASSIGN_OR_RETURN(const Value more, evaluate(*node.more_positional));
    SAIN_ASSIGN_OR_RETURN(const auto items, iterate(runtime_, more));
    SAIN_RETURN_IF_ERROR(runtime_.charge_items_scan(items->items.size()));
    arguments.positional.insert(arguments.positional.end(), items->items.begin(), items->items.end());
  }
  if (node.more_keywords != nullptr) {
    SAIN_ASSIGN_OR_RETURN(const Value more, evaluate(*node.more_keywords));
    if (more.dict() == nullptr) return type_error("a dict after '**'", more);
    for (const auto& [key, value] : more.dict()->entries) {
      SAIN_ASSIGN_OR_RETURN(const Text* name, text_argument(&key));
      SAIN_RETURN_IF_ERROR(runtime_.charge_memory(name->size() + sizeof(std::pair<std::string, Value>)));
      arguments.keywords.emplace_back(name->bytes(), value);
    }
  }
  return arguments;
}

Error Interpreter::not_callable(const Expression& callee, const Value& value) const {
  if (value.is_undefined()) return template_error("'{}' is undefined and cannot be called", callee.text);
  return template_error("'{}' is a {} and cannot be called", callee.text, type_name(value));
}

Result<Value> Interpreter::evaluate_call(const Expression& node) {
  const Expression& callee = *node.children[0];
  Value function;
  if (callee.kind == Expression::Kind::kAttribute) {
    SAIN_ASSIGN_OR_RETURN(const Value self, evaluate(*callee.children[0]));
    if (const Method method = find_method(self, callee.text)) {  // without making a bound method
      SAIN_ASSIGN_OR_RETURN(const Arguments arguments, evaluate_arguments(node));
      line_ = node.line;
      return method(runtime_, self, arguments);
    }
    SAIN_ASSIGN_OR_RETURN(function, get_attribute(runtime_, self, callee.text));
  } else {
    SAIN_ASSIGN_OR_RETURN(function, evaluate(callee));
  }
  if (function.object() == nullptr) return not_callable(callee, function);
  SAIN_ASSIGN_OR_RETURN(const Arguments arguments, evaluate_arguments(node));
  line_ = node.line;
  return call(function, arguments);
}

Result<Value> Interpreter::call(const Value& callee, const Arguments& arguments) {
  if (callee.object() == nullptr) return type_error("something to call", callee);
  switch (callee.object()->kind) {
    case Object::Kind::kMacro:
      return call_macro(static_cast<const Macro&>(*callee.object()), arguments);
    case Object::Kind::kMethod: {
      const auto& bound = static_cast<const BoundMethod&>(*callee.object());
      return bound.method(runtime_, bound.self, arguments);
    }
    case Object::Kind::kGlobal:
      return static_cast<const GlobalFunction&>(*callee.object()).function(runtime_, arguments);
    case Object::Kind::kJoiner: {
      auto& joiner = static_cast<Joiner&>(*callee.object());
      if (std::exchange(joiner.used, true)) return joiner.separator;
      return runtime_.make_text(Text());
    }
    case Object::Kind::kNamespace:
    case Object::Kind::kLoop:
    case Object::Kind::kCycler:
      break;
  }
  return type_error("something to call", callee);
}

Status Interpreter::bind_parameters(const Macro& macro, const Arguments& arguments) {
  const auto& parameters = macro.body.parameters;
  std::vector<std::pair<Value, Value>> more_keywords;
  Value caller{Undefined{}};
  std::vector<const Value*> given(parameters.size());
  for (size_t i = 0; i < std::min(parameters.size(), arguments.positional.size()); ++i) {
    given[i] = &arguments.positional[i];
  }
  for (const auto& [keyword, value] : arguments.keywords) {
    size_t i = 0;
    while (i < parameters.size() && parameters[i].name != keyword) ++i;
    SAIN_RETURN_IF_ERROR(runtime_.charge_items_scan(i));
    if (i < parameters.size() && given[i] == nullptr) {
      given[i] = &value;
    } else if (i < parameters.size()) {
      return template_error("macro '{}' got its argument '{}' twice", macro.body.name, keyword);
    } else if (keyword == "caller" && macro.body.uses_caller) {
      caller = value;
    } else if (macro.body.uses_kwargs) {
      SAIN_ASSIGN_OR_RETURN(Value key, runtime_.make_text(keyword, Trust::kTemplate));
      more_keywords.emplace_back(std::move(key), value);
    } else {
      return template_error("macro '{}' has no parameter '{}'", macro.body.name, keyword);
    }
  }
  if (arguments.positional.size() > parameters.size() && !macro.body.uses_varargs) {
    return template_error("macro '{}' takes at most {} arguments, {} were given", macro.body.name, parameters.size(),
                          arguments.positional.size());
  }
  for (size_t i = 0; i < parameters.size(); ++i) {
    Value value{Undefined{&parameters[i].name}};
    if (given[i] != nullptr) {
      value = *given[i];
    } else if (parameters[i].fallback != nullptr) {
      SAIN_ASSIGN_OR_RETURN(value, evaluate(*parameters[i].fallback));
    }
    scope_->set(parameters[i].name_id, std::move(value));
  }
  const auto set_special = [&](std::string_view name, const Value& value) {
    if (const auto id = program_.find_name(name)) scope_->set(*id, value);
  };
  if (macro.body.uses_caller) set_special("caller", caller);
  if (macro.body.uses_kwargs) {
    SAIN_ASSIGN_OR_RETURN(const Value dict, runtime_.make_dict(std::move(more_keywords)));
    set_special("kwargs", dict);
  }
  if (macro.body.uses_varargs) {
    const size_t n_bound = std::min(parameters.size(), arguments.positional.size());
    const auto first = arguments.positional.begin() + static_cast<std::ptrdiff_t>(n_bound);
    SAIN_ASSIGN_OR_RETURN(const Value tuple, runtime_.make_tuple(Values(first, arguments.positional.end())));
    set_special("varargs", tuple);
  }
  return {};
}

Result<Value> Interpreter::call_macro(const Macro& macro, const Arguments& arguments) {
  const Level level(depth_);
  SAIN_RETURN_IF_ERROR(enter(line_));
  Capture capture(*this);
  const ScopeGuard scope(*this, macro.scope);
  SAIN_RETURN_IF_ERROR(bind_parameters(macro, arguments));
  SAIN_RETURN_IF_ERROR(execute(macro.body.body));
  return runtime_.make_text(std::move(capture.text));
}

Result<Value> Interpreter::evaluate_filter(const Expression& node, const Value* block) {
  Value input;
  if (node.children[0] != nullptr) {
    const Level level(depth_);
    const Expression& inner = *node.children[0];
    // In a filter block only the innermost of the chained filters has no input of its own.
    if (block != nullptr && inner.kind == Expression::Kind::kFilter) {
      SAIN_ASSIGN_OR_RETURN(input, evaluate_filter(inner, block));
    } else {
      SAIN_ASSIGN_OR_RETURN(input, evaluate(inner));
    }
  } else if (block != nullptr) {
    input = *block;
  }
  SAIN_ASSIGN_OR_RETURN(const Arguments arguments, evaluate_arguments(node));
  line_ = node.line;
  return apply_filter(runtime_, node.text, input, arguments);
}

Result<Value> Interpreter::evaluate_test(const Expression& node) {
  SAIN_ASSIGN_OR_RETURN(const Value input, evaluate(*node.children[0]));
  SAIN_ASSIGN_OR_RETURN(const Arguments arguments, evaluate_arguments(node));
  line_ = node.line;
  SAIN_ASSIGN_OR_RETURN(const bool holds, apply_test(runtime_, node.text, input, arguments));
  return Value(holds);
}

}  // namespace sain::formats::jinja
