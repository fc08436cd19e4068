// Walks a Program and writes what it renders.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "formats/jinja/ast.h"
#include "formats/jinja/objects.h"
#include "formats/jinja/runtime.h"

namespace sain::formats::jinja {

/// The variables of one scope; names that it does not have are looked up in its parent. Few, and so looked through.
struct Scope {
  Scope* parent = nullptr;
  bool captured = false;  // a macro may still need it after its block has ended
  std::vector<std::pair<NameId, Value>> variables;

  void set(NameId name, Value value);
};

/// One rendering of one program. Not thread safe; the program is only read.
class Interpreter {
 public:
  Interpreter(const Program& program, Runtime& runtime);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  /// True if the program speaks of this name, so that its value is worth making.
  bool uses(std::string_view name) const;
  void set_variable(std::string_view name, Value value);

  /// Errors as for ChatTemplate::render(), each message beginning with the line.
  Result<Text> run();

 private:
  enum class Flow { kNext, kBreak, kContinue };

  // Statements (interpreter.cc)
  Result<Flow> execute(const Block& block);
  Result<Flow> execute(const Statement& statement);
  Result<Flow> execute_scoped(const Block& block);
  Result<Flow> execute_if(const Statement& statement);
  Result<Flow> execute_for(const Statement& statement);
  Result<Flow> execute_with(const Statement& statement);
  Result<Flow> execute_captured(const Statement& statement);  // set and filter blocks
  Status execute_call_block(const Statement& statement);
  Status execute_macro(const Statement& statement);
  Result<std::shared_ptr<const Sequence>> loop_items(const Statement& statement);
  Status assign(const Expression& target, const Value& value);
  Status emit(const Text& text);
  Status emit_value(const Value& value);

  // Expressions (interpreter_expressions.cc)
  Result<Value> evaluate(const Expression& node);
  Result<Value> evaluate_node(const Expression& node);
  Result<Value> evaluate_name(const Expression& node);
  Result<Values> evaluate_children(const Expression& node);
  Result<Value> evaluate_dict(const Expression& node);
  Result<Value> evaluate_slice(const Expression& node);
  Result<Value> evaluate_arithmetic(const Expression& node);
  Result<Value> evaluate_concatenation(const Expression& node);
  Result<Value> evaluate_comparison(const Expression& node);
  Result<Value> evaluate_logic(const Expression& node);
  Result<Value> evaluate_conditional(const Expression& node);
  Result<Value> evaluate_call(const Expression& node);
  Result<Value> evaluate_filter(const Expression& node, const Value* block);
  Result<Value> evaluate_test(const Expression& node);
  Result<Arguments> evaluate_arguments(const Expression& node);
  Result<Value> call(const Value& callee, const Arguments& arguments);
  Result<Value> call_macro(const Macro& macro, const Arguments& arguments);
  Status bind_parameters(const Macro& macro, const Arguments& arguments);
  Error not_callable(const Expression& callee, const Value& value) const;

  /// Makes a scope current while it lives. A captured one is kept until the rendering ends.
  class ScopeGuard {
   public:
    ScopeGuard(Interpreter& interpreter, Scope* parent);
    ~ScopeGuard();
    ScopeGuard(const ScopeGuard&) = delete;
    ScopeGuard& operator=(const ScopeGuard&) = delete;
    /// An empty scope again, as for the next round of a loop.
    void renew();

   private:
    Interpreter& interpreter_;
    Scope* outer_;
    std::unique_ptr<Scope> scope_;
  };
  /// Sends the output to another text while it lives.
  class Capture {
   public:
    explicit Capture(Interpreter& interpreter);
    ~Capture();
    Capture(const Capture&) = delete;
    Capture& operator=(const Capture&) = delete;
    Text text;

   private:
    Interpreter& interpreter_;
    Text* outer_;
  };
  /// Counts one level of recursion while it lives.
  class Level {
   public:
    explicit Level(size_t& depth) : depth_(depth) { ++depth_; }
    ~Level() { --depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    size_t& depth_;
  };
  /// nullptr if no scope has it.
  Result<const Value*> find_variable(NameId name);
  /// Accounts for one node: a step, the line for messages, and the depth.
  Status enter(uint32_t line);

  const Program& program_;
  Runtime& runtime_;
  Scope globals_;
  Scope* scope_ = &globals_;
  std::vector<std::unique_ptr<Scope>> captured_;
  Text* out_ = nullptr;
  uint32_t line_ = 1;
  size_t depth_ = 0;
};

}  // namespace sain::formats::jinja
