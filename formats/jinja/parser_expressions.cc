#include <algorithm>
#include <array>
#include <optional>

#include "formats/jinja/limits.h"
#include "formats/jinja/parser.h"

namespace sain::formats::jinja {
namespace {

std::optional<Comparison> comparison_of(const Token& token) {
  static constexpr std::array<std::pair<std::string_view, Comparison>, 6> kComparisons = {{
      {"==", Comparison::kEqual},
      {"!=", Comparison::kNotEqual},
      {"<", Comparison::kLess},
      {"<=", Comparison::kLessEqual},
      {">", Comparison::kGreater},
      {">=", Comparison::kGreaterEqual},
  }};
  if (token.kind != Token::Kind::kOperator) return std::nullopt;
  const auto* const found = std::find_if(kComparisons.begin(), kComparisons.end(),
                                         [&](const auto& entry) { return entry.first == token.text; });
  if (found == kComparisons.end()) return std::nullopt;
  return found->second;
}

}  // namespace

ExpressionPtr Parser::make(Kind kind, uint32_t line) const {
  auto node = std::make_unique<Expression>();
  node->kind = kind;
  node->line = line;
  return node;
}

Result<ExpressionPtr> Parser::finish(ExpressionPtr node) {
  const auto measure = [&](const ExpressionPtr& child) {
    if (child != nullptr) node->depth = std::max(node->depth, child->depth + 1);
  };
  for (const ExpressionPtr& child : node->children) measure(child);
  measure(node->more_positional);
  measure(node->more_keywords);
  if (node->depth > kMaxNesting) {
    return make_error(ErrorCode::kResourceExhausted, "line {}: an expression nested deeper than {}", node->line,
                      kMaxNesting);
  }
  return node;
}

Status Parser::check_nesting() const {
  if (nesting_ <= kMaxNesting) return {};
  return make_error(ErrorCode::kResourceExhausted, "line {}: nested deeper than {}", current().line, kMaxNesting);
}

template <class ParseOperand, class TakeOperator>
Result<ExpressionPtr> Parser::parse_chain(Kind kind, ParseOperand parse_operand, TakeOperator take_operator) {
  ExpressionPtr chain = make(kind, current().line);
  do {
    SAIN_ASSIGN_OR_RETURN(ExpressionPtr operand, parse_operand());
    chain->children.push_back(std::move(operand));
  } while (take_operator(*chain));
  if (chain->children.size() == 1) return std::move(chain->children[0]);
  return finish(std::move(chain));
}

Result<ExpressionPtr> Parser::parse_expression(Conditionals conditionals) {
  return conditionals == Conditionals::kAllowed ? parse_conditional() : parse_or();
}

Result<ExpressionPtr> Parser::parse_tuple(Conditionals conditionals, bool parenthesized) {
  ExpressionPtr tuple = make(Kind::kTuple, current().line);
  bool has_comma = false;
  while (true) {
    const Token& token = current();
    const bool at_end =
        token.kind == Token::Kind::kVariableEnd || token.kind == Token::Kind::kBlockEnd || token.is_operator(")");
    if (at_end) break;
    SAIN_ASSIGN_OR_RETURN(ExpressionPtr item, parse_expression(conditionals));
    tuple->children.push_back(std::move(item));
    if (!skip_operator(",")) break;
    has_comma = true;
  }
  if (!has_comma && !tuple->children.empty()) return std::move(tuple->children[0]);
  if (!has_comma && !parenthesized) return unexpected("an expression");
  return finish(std::move(tuple));
}

Result<ExpressionPtr> Parser::parse_conditional() {
  const Nesting nesting(nesting_);
  SAIN_RETURN_IF_ERROR(check_nesting());
  SAIN_ASSIGN_OR_RETURN(ExpressionPtr value, parse_or());
  while (current().is_name("if")) {
    ExpressionPtr node = make(Kind::kConditional, take().line);
    SAIN_ASSIGN_OR_RETURN(ExpressionPtr condition, parse_or());
    ExpressionPtr otherwise;
    if (skip_name("else")) {
      SAIN_ASSIGN_OR_RETURN(otherwise, parse_conditional());
    }
    node->children.push_back(std::move(condition));
    node->children.push_back(std::move(value));
    node->children.push_back(std::move(otherwise));
    SAIN_ASSIGN_OR_RETURN(value, finish(std::move(node)));
  }
  return value;
}

Result<ExpressionPtr> Parser::parse_or() {
  return parse_chain(
      Kind::kOr, [&] { return parse_and(); }, [&](Expression&) { return skip_name("or"); });
}

Result<ExpressionPtr> Parser::parse_and() {
  return parse_chain(
      Kind::kAnd, [&] { return parse_not(); }, [&](Expression&) { return skip_name("and"); });
}

Result<ExpressionPtr> Parser::parse_not() {
  if (!current().is_name("not")) return parse_comparison();
  const Nesting nesting(nesting_);
  SAIN_RETURN_IF_ERROR(check_nesting());
  ExpressionPtr node = make(Kind::kNot, take().line);
  SAIN_ASSIGN_OR_RETURN(ExpressionPtr operand, parse_not());
  node->children.push_back(std::move(operand));
  return finish(std::move(node));
}

Result<ExpressionPtr> Parser::parse_comparison() {
  return parse_chain(
      Kind::kCompare, [&] { return parse_sum(); },
      [&](Expression& chain) {
        if (const auto comparison = comparison_of(current())) {
          chain.comparisons.push_back(*comparison);
          take();
          return true;
        }
        const bool negated = current().is_name("not") && next().is_name("in");
        if (!negated && !current().is_name("in")) return false;
        chain.comparisons.push_back(negated ? Comparison::kNotIn : Comparison::kIn);
        if (negated) take();
        take();
        return true;
      });
}

Result<ExpressionPtr> Parser::parse_sum() {
  return parse_chain(
      Kind::kArithmetic, [&] { return parse_concatenation(); },
      [&](Expression& chain) {
        const bool add = current().is_operator("+");
        if (!add && !current().is_operator("-")) return false;
        chain.operators.push_back(add ? Operator::kAdd : Operator::kSubtract);
        take();
        return true;
      });
}

Result<ExpressionPtr> Parser::parse_concatenation() {
  return parse_chain(
      Kind::kConcatenate, [&] { return parse_product(); }, [&](Expression&) { return skip_operator("~"); });
}

Result<ExpressionPtr> Parser::parse_product() {
  return parse_chain(
      Kind::kArithmetic, [&] { return parse_power(); },
      [&](Expression& chain) {
        if (skip_operator("*")) return chain.operators.push_back(Operator::kMultiply), true;
        if (skip_operator("/")) return chain.operators.push_back(Operator::kDivide), true;
        if (skip_operator("//")) return chain.operators.push_back(Operator::kFloorDivide), true;
        if (skip_operator("%")) return chain.operators.push_back(Operator::kModulo), true;
        return false;
      });
}

Result<ExpressionPtr> Parser::parse_power() {
  return parse_chain(
      Kind::kArithmetic, [&] { return parse_unary(true); },
      [&](Expression& chain) {
        if (skip_operator("**")) return chain.operators.push_back(Operator::kPower), true;
        return false;
      });
}

Result<ExpressionPtr> Parser::parse_unary(bool with_filters) {
  const Nesting nesting(nesting_);
  SAIN_RETURN_IF_ERROR(check_nesting());
  ExpressionPtr node;
  if (current().is_operator("-") || current().is_operator("+")) {
    const Token sign = take();
    node = make(sign.text == "-" ? Kind::kNegate : Kind::kPlus, sign.line);
    SAIN_ASSIGN_OR_RETURN(ExpressionPtr operand, parse_unary(false));
    node->children.push_back(std::move(operand));
    SAIN_ASSIGN_OR_RETURN(node, finish(std::move(node)));
  } else {
    SAIN_ASSIGN_OR_RETURN(node, parse_primary());
  }
  SAIN_ASSIGN_OR_RETURN(node, parse_postfix(std::move(node)));
  if (!with_filters) return node;
  return parse_filters_and_tests(std::move(node));
}

ExpressionPtr Parser::make_name(const Token& token) {
  ExpressionPtr node = make(Kind::kName, token.line);
  node->text = token.text;
  node->name_id = intern(token.text);
  return node;
}

Result<ExpressionPtr> Parser::parse_primary() {
  const Token& token = current();
  if (token.is_operator("(")) {
    take();
    SAIN_ASSIGN_OR_RETURN(ExpressionPtr inner, parse_tuple(Conditionals::kAllowed, true));
    SAIN_RETURN_IF_ERROR(expect_operator(")"));
    return inner;
  }
  if (token.is_operator("[")) return parse_list();
  if (token.is_operator("{")) return parse_dict();
  ExpressionPtr literal = make(Kind::kLiteral, token.line);
  if (token.kind == Token::Kind::kName) {
    if (token.text == "true" || token.text == "True") {
      literal->value = Value(true);
    } else if (token.text == "false" || token.text == "False") {
      literal->value = Value(false);
    } else if (token.text == "none" || token.text == "None") {
      literal->value = Value(None{});
    } else {
      literal = make_name(token);
    }
    take();
  } else if (token.kind == Token::Kind::kString) {
    std::string text = take().text;
    while (current().kind == Token::Kind::kString) text += take().text;
    literal->value = Value(std::make_shared<const Text>(std::move(text), Trust::kTemplate));
  } else if (token.kind == Token::Kind::kInteger) {
    literal->value = Value(take().integer);
  } else if (token.kind == Token::Kind::kFloat) {
    literal->value = Value(take().number);
  } else {
    return unexpected("an expression");
  }
  return literal;
}

Result<ExpressionPtr> Parser::parse_list() {
  ExpressionPtr list = make(Kind::kList, take().line);
  while (!current().is_operator("]")) {
    SAIN_ASSIGN_OR_RETURN(ExpressionPtr item, parse_expression());
    list->children.push_back(std::move(item));
    if (!current().is_operator("]")) SAIN_RETURN_IF_ERROR(expect_operator(","));
  }
  take();
  return finish(std::move(list));
}

Result<ExpressionPtr> Parser::parse_dict() {
  ExpressionPtr dict = make(Kind::kDict, take().line);
  while (!current().is_operator("}")) {
    SAIN_ASSIGN_OR_RETURN(ExpressionPtr key, parse_expression());
    SAIN_RETURN_IF_ERROR(expect_operator(":"));
    SAIN_ASSIGN_OR_RETURN(ExpressionPtr value, parse_expression());
    dict->children.push_back(std::move(key));
    dict->children.push_back(std::move(value));
    if (!current().is_operator("}")) SAIN_RETURN_IF_ERROR(expect_operator(","));
  }
  take();
  return finish(std::move(dict));
}

Result<ExpressionPtr> Parser::parse_postfix(ExpressionPtr node) {
  while (true) {
    if (current().is_operator(".")) {
      SAIN_ASSIGN_OR_RETURN(node, parse_dot(std::move(node)));
    } else if (current().is_operator("[")) {
      SAIN_ASSIGN_OR_RETURN(node, parse_subscript(std::move(node)));
    } else if (current().is_operator("(")) {
      SAIN_ASSIGN_OR_RETURN(node, parse_call(std::move(node)));
    } else {
      return node;
    }
  }
}

Result<ExpressionPtr> Parser::parse_filters_and_tests(ExpressionPtr node) {
  while (true) {
    if (skip_operator("|")) {
      SAIN_ASSIGN_OR_RETURN(node, parse_filter(std::move(node)));
    } else if (current().is_name("is")) {
      SAIN_ASSIGN_OR_RETURN(node, parse_test(std::move(node)));
    } else if (current().is_operator("(")) {
      SAIN_ASSIGN_OR_RETURN(node, parse_call(std::move(node)));
    } else {
      return node;
    }
  }
}

}  // namespace sain::formats::jinja
