// A compiled template: statements and expressions, as the parser leaves them and the interpreter walks them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/jinja/value.h"

namespace sain::formats::jinja {

/// A variable's name, interned: an index into Program::names.
using NameId = uint32_t;

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

enum class Operator { kAdd, kSubtract, kMultiply, kDivide, kFloorDivide, kModulo, kPower };
enum class Comparison { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual, kIn, kNotIn };

/// One node. What `children` holds stands beside each kind.
struct Expression {
  enum class Kind {
    kLiteral,             // value
    kName,                // name_id
    kList,                // items
    kTuple,               // items
    kDict,                // key, value, key, value, ...
    kAttribute,           // object; text: the attribute
    kItem,                // object, index
    kSlice,               // object, begin, end, step; the last three may be null
    kCall,                // callee, then the arguments
    kFilter,              // input (null in a filter or set block: the block's text), then the arguments; text: its name
    kTest,                // input, then the arguments; text: its name
    kNot,                 // operand
    kNegate,              // operand
    kPlus,                // operand
    kArithmetic,          // operands of one level of precedence, evaluated from the left, and `operators` between them
    kConcatenate,         // operands
    kAnd,                 // operands
    kOr,                  // operands
    kCompare,             // operands, and `comparisons` between them
    kConditional,         // condition, value, otherwise (may be null)
    kNamespaceAttribute,  // only as a target: name_id, text: the attribute
  };
  Kind kind = Kind::kLiteral;
  uint32_t line = 0;
  NameId name_id = 0;
  std::string text;
  Value value;
  std::vector<ExpressionPtr> children;
  std::vector<Operator> operators;
  std::vector<Comparison> comparisons;
  std::vector<std::string> keywords;  // calls: the names of the last keywords.size() arguments
  ExpressionPtr more_positional;      // calls: *expression
  ExpressionPtr more_keywords;        // calls: **expression
  size_t depth = 1;                   // 1 + that of the deepest child
};

struct Statement;
using Block = std::vector<Statement>;

struct Parameter {
  NameId name_id;
  std::string name;
  ExpressionPtr fallback;  // null if the argument has no default
};

/// What a macro or a call block does when it is called.
struct MacroBody {
  std::string name;
  std::vector<Parameter> parameters;
  std::vector<Statement> body;
  // Whether the body speaks of these, which decides what the macro accepts.
  bool uses_caller = false;
  bool uses_varargs = false;
  bool uses_kwargs = false;
};

struct Branch {
  ExpressionPtr condition;  // null for else
  Block body;
};

struct Assignment {
  ExpressionPtr target;
  ExpressionPtr value;
};

struct Statement {
  enum class Kind {
    kText,         // value
    kOutput,       // expression
    kIf,           // branches
    kFor,          // target, expression (the iterable), condition (may be null), body, otherwise
    kSet,          // target, expression
    kSetBlock,     // target, expression (filters, may be null), body
    kWith,         // assignments, body
    kMacro,        // name_id, macro
    kCallBlock,    // expression (the call), macro (the caller)
    kFilterBlock,  // expression (filters), body
    kScope,        // body, whose assignments stay inside
    kBreak,
    kContinue,
  };
  Kind kind = Kind::kText;
  uint32_t line = 0;
  NameId name_id = 0;
  Value value;
  ExpressionPtr target;
  ExpressionPtr expression;
  ExpressionPtr condition;
  std::vector<Branch> branches;
  std::vector<Assignment> assignments;
  Block body;
  Block otherwise;
  std::unique_ptr<MacroBody> macro;
};

/// Immutable once parsed.
struct Program {
  Block body;
  std::vector<std::string> names;  // by NameId
  std::map<std::string, NameId, std::less<>> name_ids;

  /// The id of a name that the template speaks of.
  std::optional<NameId> find_name(std::string_view name) const {
    const auto found = name_ids.find(name);
    return found == name_ids.end() ? std::nullopt : std::optional(found->second);
  }
};

}  // namespace sain::formats::jinja
