#include "formats/jinja/interpreter.h"

#include <algorithm>

#include "formats/jinja/operators.h"
#include "formats/jinja/to_text.h"

namespace sain::formats::jinja {

void Scope::set(NameId name, Value value) {
  for (auto& [id, slot] : variables) {
    if (id == name) {
      slot = std::move(value);
      return;
    }
  }
  variables.emplace_back(name, std::move(value));
}

Interpreter::ScopeGuard::ScopeGuard(Interpreter& interpreter, Scope* parent)
    : interpreter_(interpreter), outer_(interpreter.scope_), scope_(std::make_unique<Scope>()) {
  scope_->parent = parent;
  interpreter_.scope_ = scope_.get();
}

Interpreter::ScopeGuard::~ScopeGuard() {
  interpreter_.scope_ = outer_;
  if (scope_->captured) interpreter_.captured_.push_back(std::move(scope_));
}

void Interpreter::ScopeGuard::renew() {
  if (!scope_->captured) return scope_->variables.clear();
  auto fresh = std::make_unique<Scope>();
  fresh->parent = scope_->parent;
  interpreter_.captured_.push_back(std::exchange(scope_, std::move(fresh)));
  interpreter_.scope_ = scope_.get();
}

Interpreter::Capture::Capture(Interpreter& interpreter) : interpreter_(interpreter), outer_(interpreter.out_) {
  interpreter_.out_ = &text;
}

Interpreter::Capture::~Capture() {
  interpreter_.out_ = outer_;
}

Interpreter::Interpreter(const Program& program, Runtime& runtime) : program_(program), runtime_(runtime) {
  for (NameId id = 0; id < program.names.size(); ++id) {
    const Function function = find_function(program.names[id]);
    if (function != nullptr) globals_.set(id, std::shared_ptr<Object>(std::make_shared<GlobalFunction>(function)));
  }
}

Interpreter::~Interpreter() = default;

bool Interpreter::uses(std::string_view name) const {
  return program_.find_name(name).has_value();
}

void Interpreter::set_variable(std::string_view name, Value value) {
  if (const auto id = program_.find_name(name)) globals_.set(*id, std::move(value));
}

Result<Text> Interpreter::run() {
  Capture output(*this);
  const ScopeGuard scope(*this, &globals_);
  const auto flow = execute(program_.body);
  if (!flow) return make_error(flow.error().code, "line {}: {}", line_, flow.error().message);
  return std::move(output.text);
}

Result<const Value*> Interpreter::find_variable(NameId name) {
  for (const Scope* scope = scope_; scope != nullptr; scope = scope->parent) {
    SAIN_RETURN_IF_ERROR(runtime_.charge_items_scan(scope->variables.size()));
    for (const auto& [id, value] : scope->variables) {
      if (id == name) return &value;
    }
  }
  return static_cast<const Value*>(nullptr);
}

Status Interpreter::enter(uint32_t line) {
  line_ = line;
  if (depth_ > runtime_.limits().depth) {
    return make_error(ErrorCode::kResourceExhausted, "evaluation nested deeper than {}", runtime_.limits().depth);
  }
  return runtime_.charge_steps(1);
}

Status Interpreter::emit(const Text& text) {
  if (out_->size() + text.size() > runtime_.limits().output_bytes) {
    return make_error(ErrorCode::kResourceExhausted, "more than {} bytes of output", runtime_.limits().output_bytes);
  }
  SAIN_RETURN_IF_ERROR(runtime_.charge_memory(text.memory_bytes() + Text::kBorderBytes));
  out_->append(text);
  return {};
}

Status Interpreter::emit_value(const Value& value) {
  if (const Text* text = value.text()) return emit(*text);
  SAIN_ASSIGN_OR_RETURN(const Text text, to_text(runtime_, value));
  return emit(text);
}

Result<Interpreter::Flow> Interpreter::execute(const Block& block) {
  for (const Statement& statement : block) {
    SAIN_ASSIGN_OR_RETURN(const Flow flow, execute(statement));
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::execute(const Statement& statement) {
  using Kind = Statement::Kind;
  const Level level(depth_);
  SAIN_RETURN_IF_ERROR(enter(statement.line));
  switch (statement.kind) {
    case Kind::kText:
      SAIN_RETURN_IF_ERROR(emit_value(statement.value));
      return Flow::kNext;
    case Kind::kOutput: {
      SAIN_ASSIGN_OR_RETURN(const Value value, evaluate(*statement.expression));
      SAIN_RETURN_IF_ERROR(emit_value(value));
      return Flow::kNext;
    }
    case Kind::kSet: {
      SAIN_ASSIGN_OR_RETURN(const Value value, evaluate(*statement.expression));
      SAIN_RETURN_IF_ERROR(assign(*statement.target, value));
      return Flow::kNext;
    }
    case Kind::kIf:
      return execute_if(statement);
    case Kind::kFor:
      return execute_for(statement);
    case Kind::kWith:
      return execute_with(statement);
    case Kind::kScope:
      return execute_scoped(statement.body);
    case Kind::kSetBlock:
    case Kind::kFilterBlock:
      return execute_captured(statement);
    case Kind::kMacro:
      SAIN_RETURN_IF_ERROR(execute_macro(statement));
      return Flow::kNext;
    case Kind::kCallBlock:
      SAIN_RETURN_IF_ERROR(execute_call_block(statement));
      return Flow::kNext;
    case Kind::kBreak:
      return Flow::kBreak;
    case Kind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::execute_scoped(const Block& block) {
  const ScopeGuard scope(*this, scope_);
  return execute(block);
}

Result<Interpreter::Flow> Interpreter::execute_if(const Statement& statement) {
  for (const Branch& branch : statement.branches) {
    if (branch.condition == nullptr) return execute(branch.body);
    SAIN_ASSIGN_OR_RETURN(const Value condition, evaluate(*branch.condition));
    if (truthy(condition)) return execute(branch.body);
  }
  return Flow::kNext;
}

Result<std::shared_ptr<const Sequence>> Interpreter::loop_items(const Statement& statement) {
  SAIN_ASSIGN_OR_RETURN(const Value iterable, evaluate(*statement.expression));
  SAIN_ASSIGN_OR_RETURN(auto items, iterate(runtime_, iterable));
  if (statement.condition == nullptr) return items;
  Values chosen;
  ScopeGuard scope(*this, scope_);
  for (const Value& candidate : items->items) {
    scope.renew();
    SAIN_RETURN_IF_ERROR(assign(*statement.target, candidate));
    SAIN_ASSIGN_OR_RETURN(const Value condition, evaluate(*statement.condition));
    if (truthy(condition)) chosen.push_back(candidate);
  }
  SAIN_ASSIGN_OR_RETURN(const Value list, runtime_.make_list(std::move(chosen)));
  return list.shared<const Sequence>();
}

Result<Interpreter::Flow> Interpreter::execute_for(const Statement& statement) {
  SAIN_ASSIGN_OR_RETURN(auto items, loop_items(statement));
  if (items->items.empty()) return execute_scoped(statement.otherwise);

  SAIN_RETURN_IF_ERROR(runtime_.charge_memory(sizeof(LoopState)));
  const auto loop = std::make_shared<LoopState>();
  loop->items = items;
  const struct LoopEnd {  // a loop must not hold itself when it ends
    LoopState& state;
    ~LoopEnd() {
      state.has_ended = true;
      state.last_changed.clear();
    }
  } loop_end{*loop};

  const auto loop_id = program_.find_name("loop");
  bool any_finished = false;
  ScopeGuard scope(*this, scope_);
  for (; loop->index < items->items.size(); ++loop->index) {
    SAIN_RETURN_IF_ERROR(enter(statement.line));
    scope.renew();
    if (loop_id) scope_->set(*loop_id, std::shared_ptr<Object>(loop));
    SAIN_RETURN_IF_ERROR(assign(*statement.target, items->items[loop->index]));
    SAIN_ASSIGN_OR_RETURN(const Flow flow, execute(statement.body));
    if (flow == Flow::kBreak) break;
    any_finished |= flow == Flow::kNext;
  }
  // As in the reference implementation, rounds that `break` or `continue` ended do not count.
  return any_finished ? Flow::kNext : execute_scoped(statement.otherwise);
}

Result<Interpreter::Flow> Interpreter::execute_with(const Statement& statement) {
  Values values;  // all are evaluated before any of them is visible
  for (const Assignment& assignment : statement.assignments) {
    SAIN_ASSIGN_OR_RETURN(Value value, evaluate(*assignment.value));
    values.push_back(std::move(value));
  }
  const ScopeGuard scope(*this, scope_);
  for (size_t i = 0; i < values.size(); ++i) {
    SAIN_RETURN_IF_ERROR(assign(*statement.assignments[i].target, values[i]));
  }
  return execute(statement.body);
}

Result<Interpreter::Flow> Interpreter::execute_captured(const Statement& statement) {
  Text text;
  {
    Capture capture(*this);
    SAIN_ASSIGN_OR_RETURN(const Flow flow, execute_scoped(statement.body));
    if (flow != Flow::kNext) return flow;
    text = std::move(capture.text);
  }
  SAIN_ASSIGN_OR_RETURN(Value value, runtime_.make_text(std::move(text)));
  if (statement.expression != nullptr) {
    SAIN_ASSIGN_OR_RETURN(value, evaluate_filter(*statement.expression, &value));
  }
  if (statement.kind == Statement::Kind::kSetBlock) {
    SAIN_RETURN_IF_ERROR(assign(*statement.target, value));
  } else {
    SAIN_RETURN_IF_ERROR(emit_value(value));
  }
  return Flow::kNext;
}

Status Interpreter::execute_macro(const Statement& statement) {
  SAIN_RETURN_IF_ERROR(runtime_.charge_memory(sizeof(Macro) + sizeof(Scope)));
  for (Scope* scope = scope_; scope != nullptr && !scope->captured; scope = scope->parent) scope->captured = true;
  scope_->set(statement.name_id, std::shared_ptr<Object>(std::make_shared<Macro>(*statement.macro, scope_)));
  return {};
}

Status Interpreter::execute_call_block(const Statement& statement) {
  SAIN_RETURN_IF_ERROR(runtime_.charge_memory(sizeof(Macro) + sizeof(Scope)));
  for (Scope* scope = scope_; scope != nullptr && !scope->captured; scope = scope->parent) scope->captured = true;
  const Expression& node = *statement.expression;
  SAIN_ASSIGN_OR_RETURN(const Value callee, evaluate(*node.children[0]));
  SAIN_ASSIGN_OR_RETURN(Arguments arguments, evaluate_arguments(node));
  arguments.keywords.emplace_back("caller", std::shared_ptr<Object>(std::make_shared<Macro>(*statement.macro, scope_)));
  SAIN_ASSIGN_OR_RETURN(const Value result, call(callee, arguments));
  return emit_value(result);
}

Status Interpreter::assign(const Expression& target, const Value& value) {
  using Kind = Expression::Kind;
  if (target.kind == Kind::kName) {
    SAIN_RETURN_IF_ERROR(runtime_.charge_items_scan(scope_->variables.size()));
    scope_->set(target.name_id, value);
    return {};
  }
  if (target.kind == Kind::kNamespaceAttribute) {
    SAIN_ASSIGN_OR_RETURN(const Value* found, find_variable(target.name_id));
    Object* object = found == nullptr ? nullptr : found->object();
    if (object == nullptr || object->kind != Object::Kind::kNamespace) {
      return template_error("'{}' is no namespace: its attribute '{}' cannot be set", program_.names[target.name_id],
                            target.text);
    }
    auto& attributes = static_cast<Namespace&>(*object).attributes;
    SAIN_RETURN_IF_ERROR(runtime_.charge_items_scan(attributes.size()));
    const auto slot = std::find_if(attributes.begin(), attributes.end(),
                                   [&](const auto& entry) { return entry.first == target.text; });
    if (slot != attributes.end()) {
      slot->second = value;
    } else {
      SAIN_RETURN_IF_ERROR(runtime_.charge_memory(sizeof(attributes[0]) + target.text.size()));
      attributes.emplace_back(target.text, value);
    }
    return {};
  }
  SAIN_ASSIGN_OR_RETURN(const auto items, iterate(runtime_, value));
  if (items->items.size() != target.children.size()) {
    return template_error("{} values cannot be assigned to {} names", items->items.size(), target.children.size());
  }
  for (size_t i = 0; i < target.children.size(); ++i) {
    SAIN_RETURN_IF_ERROR(assign(*target.children[i], items->items[i]));
  }
  return {};
}

}  // namespace sain::formats::jinja
