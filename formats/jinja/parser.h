// Tokens to a Program, by Jinja's grammar.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "formats/jinja/ast.h"
#include "formats/jinja/lexer.h"
#include "formats/result.h"

namespace sain::formats::jinja {

/// Errors: kCorrupt with the line and what was expected; kUnsupported for statements that no chat template uses;
/// kResourceExhausted beyond kMaxSourceBytes or kMaxNesting.
Result<Program> parse(std::string_view source);

/// Recursive descent over the tokens of one template. parser_statements.cc has the statements and parse(),
/// parser_expressions.cc the expressions, loosest binding first.
class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}
  Result<Program> run();

 private:
  using Kind = Expression::Kind;
  enum class Conditionals { kAllowed, kNotAllowed };

  // Tokens
  const Token& current() const { return tokens_[position_]; }
  const Token& next() const { return tokens_[std::min(position_ + 1, tokens_.size() - 1)]; }
  Token take();
  bool skip_name(std::string_view name);
  bool skip_operator(std::string_view op);
  Status expect_operator(std::string_view op);
  Status expect_name(std::string_view name);
  Result<Token> expect_identifier();
  Error unexpected(std::string_view expected) const;

  // Statements
  Result<Block> parse_block(std::initializer_list<std::string_view> end_tags);
  /// From inside a tag: the tag's end, then statements up to one of `end_tags`, whose name is the current token then.
  Result<Block> parse_body(std::initializer_list<std::string_view> end_tags);
  /// The same for one end tag, which is taken.
  Result<Block> parse_body_until(std::string_view end_tag);
  Result<Statement> parse_statement();
  Status parse_for(Statement& statement);
  Status parse_if(Statement& statement);
  Status parse_set(Statement& statement);
  Status parse_with(Statement& statement);
  Status parse_macro(Statement& statement);
  Status parse_call_block(Statement& statement);
  Status parse_filter_block(Statement& statement);
  Status parse_macro_body(MacroBody& macro, std::string_view end_tag);
  Status parse_parameters(MacroBody& macro);
  Result<ExpressionPtr> parse_target(bool with_namespace);

  // Expressions
  Result<ExpressionPtr> parse_expression(Conditionals conditionals = Conditionals::kAllowed);
  Result<ExpressionPtr> parse_tuple(Conditionals conditionals, bool parenthesized);
  Result<ExpressionPtr> parse_conditional();
  Result<ExpressionPtr> parse_or();
  Result<ExpressionPtr> parse_and();
  Result<ExpressionPtr> parse_not();
  Result<ExpressionPtr> parse_comparison();
  Result<ExpressionPtr> parse_sum();
  Result<ExpressionPtr> parse_concatenation();
  Result<ExpressionPtr> parse_product();
  Result<ExpressionPtr> parse_power();
  Result<ExpressionPtr> parse_unary(bool with_filters);
  Result<ExpressionPtr> parse_primary();
  Result<ExpressionPtr> parse_list();
  Result<ExpressionPtr> parse_dict();
  Result<ExpressionPtr> parse_postfix(ExpressionPtr node);
  Result<ExpressionPtr> parse_filters_and_tests(ExpressionPtr node);
  Result<ExpressionPtr> parse_dot(ExpressionPtr object);
  Result<ExpressionPtr> parse_subscript(ExpressionPtr object);
  Result<ExpressionPtr> parse_call(ExpressionPtr callee);
  Result<ExpressionPtr> parse_filter(ExpressionPtr input);  // from the filter's name on
  Result<ExpressionPtr> parse_test(ExpressionPtr input);    // from `is` on
  Status parse_arguments(Expression& call);
  Result<ExpressionPtr> parse_optional_slice_part();

  ExpressionPtr make(Kind kind, uint32_t line) const;
  ExpressionPtr make_name(const Token& token);
  /// Finishes a node whose children are set: measures its depth.
  static Result<ExpressionPtr> finish(ExpressionPtr node);
  /// Operands of one level with operators between them: `parse_operand` reads one, `take_operator` the next operator.
  template <class ParseOperand, class TakeOperator>
  Result<ExpressionPtr> parse_chain(Kind kind, ParseOperand parse_operand, TakeOperator take_operator);
  NameId intern(std::string_view name);

  /// Counts the levels of recursion while it lives.
  class Nesting {
   public:
    explicit Nesting(size_t& depth) : depth_(depth) { ++depth_; }
    ~Nesting() { --depth_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    size_t& depth_;
  };
  Status check_nesting() const;

  std::vector<Token> tokens_;
  size_t position_ = 0;
  size_t nesting_ = 0;
  size_t loops_ = 0;                // open for loops in this macro
  std::vector<MacroBody*> macros_;  // being parsed, outermost first
  Program program_;
};

}  // namespace sain::formats::jinja
