#include <algorithm>

#include "formats/jinja/limits.h"
#include "formats/jinja/parser.h"

namespace sain::formats::jinja {

Result<ExpressionPtr> Parser::parse_dot(ExpressionPtr object) {
  const uint32_t line = take().line;
  const Token& token = current();
  ExpressionPtr node;
  if (token.kind == Token::Kind::kName) {
    node = make(Kind::kAttribute, line);
    node->text = token.text;
    node->children.push_back(std::move(object));
  } else if (token.kind == Token::Kind::kInteger) {
    node = make(Kind::kItem, line);
    ExpressionPtr index = make(Kind::kLiteral, line);
    index->value = Value(token.integer);
    node->children.push_back(std::move(object));
    node->children.push_back(std::move(index));
  } else {
    return unexpected("a name or a number after '.'");
  }
  take();
  return finish(std::move(node));
}

Result<ExpressionPtr> Parser::parse_optional_slice_part() {
  const bool absent = current().is_operator(":") || current().is_operator("]") || current().is_operator(",");
  if (absent) return ExpressionPtr();
  return parse_expression();
}

Result<ExpressionPtr> Parser::parse_subscript(ExpressionPtr object) {
  const uint32_t line = take().line;
  ExpressionPtr node = make(Kind::kItem, line);
  node->children.push_back(std::move(object));
  SAIN_ASSIGN_OR_RETURN(ExpressionPtr first, parse_optional_slice_part());
  if (current().is_operator(":")) {
    node->kind = Kind::kSlice;
    node->children.push_back(std::move(first));
    for (int i = 0; i < 2; ++i) {
      ExpressionPtr part;
      if (skip_operator(":")) {
        SAIN_ASSIGN_OR_RETURN(part, parse_optional_slice_part());
      }
      node->children.push_back(std::move(part));
    }
  } else if (current().is_operator(",") && first != nullptr) {
    ExpressionPtr tuple = make(Kind::kTuple, line);
    tuple->children.push_back(std::move(first));
    while (skip_operator(",")) {
      SAIN_ASSIGN_OR_RETURN(ExpressionPtr item, parse_expression());
      tuple->children.push_back(std::move(item));
    }
    SAIN_ASSIGN_OR_RETURN(tuple, finish(std::move(tuple)));
    node->children.push_back(std::move(tuple));
  } else if (first == nullptr) {
    return unexpected("an index");
  } else {
    node->children.push_back(std::move(first));
  }
  SAIN_RETURN_IF_ERROR(expect_operator("]"));
  return finish(std::move(node));
}

Status Parser::parse_arguments(Expression& call) {
  SAIN_RETURN_IF_ERROR(expect_operator("("));
  std::vector<ExpressionPtr> keyword_values;
  while (!current().is_operator(")")) {
    if (call.children.size() + keyword_values.size() > kMaxArguments) {
      return make_error(ErrorCode::kResourceExhausted, "line {}: more than {} arguments", current().line,
                        kMaxArguments);
    }
    if (skip_operator("*")) {
      if (call.more_positional != nullptr || call.more_keywords != nullptr) return unexpected("one '*' argument");
      SAIN_ASSIGN_OR_RETURN(call.more_positional, parse_expression());
    } else if (skip_operator("**")) {
      if (call.more_keywords != nullptr) return unexpected("one '**' argument");
      SAIN_ASSIGN_OR_RETURN(call.more_keywords, parse_expression());
    } else if (current().kind == Token::Kind::kName && next().is_operator("=")) {
      if (call.more_keywords != nullptr) return unexpected("')' after a '**' argument");
      const std::string name = take().text;
      if (std::find(call.keywords.begin(), call.keywords.end(), name) != call.keywords.end()) {
        return syntax_error(current().line, "the argument '{}' is given twice", name);
      }
      call.keywords.push_back(name);
      take();
      SAIN_ASSIGN_OR_RETURN(ExpressionPtr value, parse_expression());
      keyword_values.push_back(std::move(value));
    } else {
      if (!call.keywords.empty() || call.more_positional != nullptr || call.more_keywords != nullptr) {
        return unexpected("a keyword argument");
      }
      SAIN_ASSIGN_OR_RETURN(ExpressionPtr value, parse_expression());
      call.children.push_back(std::move(value));
    }
    if (!current().is_operator(")")) SAIN_RETURN_IF_ERROR(expect_operator(","));
  }
  take();
  std::move(keyword_values.begin(), keyword_values.end(), std::back_inserter(call.children));
  return {};
}

Result<ExpressionPtr> Parser::parse_call(ExpressionPtr callee) {
  ExpressionPtr node = make(Kind::kCall, current().line);
  node->children.push_back(std::move(callee));
  SAIN_RETURN_IF_ERROR(parse_arguments(*node));
  return finish(std::move(node));
}

Result<ExpressionPtr> Parser::parse_filter(ExpressionPtr input) {
  SAIN_ASSIGN_OR_RETURN(const Token name, expect_identifier());
  ExpressionPtr node = make(Kind::kFilter, name.line);
  node->text = name.text;
  node->children.push_back(std::move(input));
  if (current().is_operator("(")) SAIN_RETURN_IF_ERROR(parse_arguments(*node));
  return finish(std::move(node));
}

Result<ExpressionPtr> Parser::parse_test(ExpressionPtr input) {
  const uint32_t line = take().line;
  const bool negated = skip_name("not");
  SAIN_ASSIGN_OR_RETURN(const Token name, expect_identifier());
  ExpressionPtr node = make(Kind::kTest, line);
  node->text = name.text;
  node->children.push_back(std::move(input));
  const Token& token = current();
  const bool is_value = token.kind == Token::Kind::kName || token.kind == Token::Kind::kString ||
                        token.kind == Token::Kind::kInteger || token.kind == Token::Kind::kFloat ||
                        token.is_operator("[") || token.is_operator("{");
  const bool ends = token.is_name("else") || token.is_name("or") || token.is_name("and");
  if (token.is_name("is")) return unexpected("something else: tests do not chain");
  if (token.is_operator("(")) {
    SAIN_RETURN_IF_ERROR(parse_arguments(*node));
  } else if (is_value && !ends) {  // one argument without parentheses: `x is divisibleby 3`
    SAIN_ASSIGN_OR_RETURN(ExpressionPtr argument, parse_primary());
    SAIN_ASSIGN_OR_RETURN(argument, parse_postfix(std::move(argument)));
    node->children.push_back(std::move(argument));
  }
  SAIN_ASSIGN_OR_RETURN(node, finish(std::move(node)));
  if (!negated) return node;
  ExpressionPtr negation = make(Kind::kNot, line);
  negation->children.push_back(std::move(node));
  return finish(std::move(negation));
}

}  // namespace sain::formats::jinja
