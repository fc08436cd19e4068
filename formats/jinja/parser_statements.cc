#include <algorithm>
#include <array>

#include "formats/jinja/limits.h"
#include "formats/jinja/parser.h"

namespace sain::formats::jinja {
namespace {

using StatementKind = Statement::Kind;

/// Statements of Jinja that need other templates or extensions, none of which a chat template has.
constexpr std::array<std::string_view, 10> kUnsupportedTags = {"include", "import",     "from",  "extends", "block",
                                                               "trans",   "autoescape", "print", "do",      "debug"};

std::string join_names(std::initializer_list<std::string_view> names) {
  std::string joined;
  for (const std::string_view name : names) joined += fmt::format("{}'{}'", joined.empty() ? "" : " or ", name);
  return joined;
}

}  // namespace

Result<Program> parse(std::string_view source) {
  SAIN_ASSIGN_OR_RETURN(std::vector<Token> tokens, tokenize(source));
  return Parser(std::move(tokens)).run();
}

Result<Program> Parser::run() {
  SAIN_ASSIGN_OR_RETURN(program_.body, parse_block({}));
  return std::move(program_);
}

NameId Parser::intern(std::string_view name) {
  for (MacroBody* macro : macros_) {
    macro->uses_caller |= name == "caller";
    macro->uses_varargs |= name == "varargs";
    macro->uses_kwargs |= name == "kwargs";
  }
  if (const auto id = program_.find_name(name)) return *id;
  const auto id = static_cast<NameId>(program_.names.size());
  program_.names.emplace_back(name);
  program_.name_ids.emplace(name, id);
  return id;
}

Token Parser::take() {
  Token token = current();
  if (position_ + 1 < tokens_.size()) ++position_;
  return token;
}

bool Parser::skip_name(std::string_view name) {
  if (!current().is_name(name)) return false;
  take();
  return true;
}

bool Parser::skip_operator(std::string_view op) {
  if (!current().is_operator(op)) return false;
  take();
  return true;
}

Status Parser::expect_operator(std::string_view op) {
  if (skip_operator(op)) return {};
  return unexpected(fmt::format("'{}'", op));
}

Status Parser::expect_name(std::string_view name) {
  if (skip_name(name)) return {};
  return unexpected(fmt::format("'{}'", name));
}

Result<Token> Parser::expect_identifier() {
  if (current().kind != Token::Kind::kName) return unexpected("a name");
  return take();
}

Error Parser::unexpected(std::string_view expected) const {
  return syntax_error(current().line, "expected {}, found {}", expected, current().describe());
}

Result<Block> Parser::parse_block(std::initializer_list<std::string_view> end_tags) {
  const Nesting nesting(nesting_);
  SAIN_RETURN_IF_ERROR(check_nesting());
  Block block;
  while (current().kind != Token::Kind::kEnd) {
    const Token token = take();
    Statement statement;
    statement.line = token.line;
    if (token.kind == Token::Kind::kData) {
      statement.kind = StatementKind::kText;
      statement.value = Value(std::make_shared<const Text>(token.text, Trust::kTemplate));
    } else if (token.kind == Token::Kind::kVariableBegin) {
      statement.kind = StatementKind::kOutput;
      SAIN_ASSIGN_OR_RETURN(statement.expression, parse_tuple(Conditionals::kAllowed, false));
      if (current().kind != Token::Kind::kVariableEnd) return unexpected("'}}'");
      take();
    } else {
      const auto ends = [&](std::string_view tag) { return current().is_name(tag); };
      if (std::any_of(end_tags.begin(), end_tags.end(), ends)) return block;
      SAIN_ASSIGN_OR_RETURN(statement, parse_statement());
      if (current().kind != Token::Kind::kBlockEnd) return unexpected("'%}'");
      take();
    }
    block.push_back(std::move(statement));
  }
  if (end_tags.size() != 0) return unexpected(join_names(end_tags));
  return block;
}

Result<Block> Parser::parse_body(std::initializer_list<std::string_view> end_tags) {
  skip_operator(":");
  if (current().kind != Token::Kind::kBlockEnd) return unexpected("'%}'");
  take();
  return parse_block(end_tags);
}

Result<Block> Parser::parse_body_until(std::string_view end_tag) {
  SAIN_ASSIGN_OR_RETURN(Block block, parse_body({end_tag}));
  take();
  return block;
}

Result<Statement> Parser::parse_statement() {
  SAIN_ASSIGN_OR_RETURN(const Token tag, expect_identifier());
  Statement statement;
  statement.line = tag.line;
  const auto finished = [&](Status status) -> Result<Statement> {
    if (!status) return status.error();
    return std::move(statement);
  };
  if (tag.text == "for") return finished(parse_for(statement));
  if (tag.text == "if") return finished(parse_if(statement));
  if (tag.text == "set") return finished(parse_set(statement));
  if (tag.text == "with") return finished(parse_with(statement));
  if (tag.text == "macro") return finished(parse_macro(statement));
  if (tag.text == "call") return finished(parse_call_block(statement));
  if (tag.text == "filter") return finished(parse_filter_block(statement));
  if (tag.text == "generation") {  // marks the assistant's words for training; means nothing here
    statement.kind = StatementKind::kScope;
    SAIN_ASSIGN_OR_RETURN(statement.body, parse_body_until("endgeneration"));
    return statement;
  }
  if (tag.text == "break" || tag.text == "continue") {
    if (loops_ == 0) return syntax_error(tag.line, "'{}' outside of a for loop", tag.text);
    statement.kind = tag.text == "break" ? StatementKind::kBreak : StatementKind::kContinue;
    return statement;
  }
  if (std::find(kUnsupportedTags.begin(), kUnsupportedTags.end(), tag.text) != kUnsupportedTags.end()) {
    return make_error(ErrorCode::kUnsupported, "line {}: the statement '{}'", tag.line, tag.text);
  }
  return syntax_error(tag.line, "expected a statement, found '{}'", tag.text);
}

Result<ExpressionPtr> Parser::parse_target(bool with_namespace) {
  if (with_namespace && current().kind == Token::Kind::kName && next().is_operator(".")) {
    ExpressionPtr node = make_name(take());
    node->kind = Kind::kNamespaceAttribute;
    take();
    SAIN_ASSIGN_OR_RETURN(node->text, [&]() -> Result<std::string> {
      SAIN_ASSIGN_OR_RETURN(Token attribute, expect_identifier());
      return std::move(attribute.text);
    }());
    return node;
  }
  const uint32_t line = current().line;
  ExpressionPtr tuple = make(Kind::kTuple, line);
  bool has_comma = false;
  while (!has_comma || !(current().is_operator(")") || current().kind == Token::Kind::kBlockEnd)) {
    const Nesting nesting(nesting_);
    SAIN_RETURN_IF_ERROR(check_nesting());
    ExpressionPtr item;
    if (skip_operator("(")) {
      SAIN_ASSIGN_OR_RETURN(item, parse_target(false));
      SAIN_RETURN_IF_ERROR(expect_operator(")"));
    } else {
      SAIN_ASSIGN_OR_RETURN(item, parse_primary());
      if (item->kind != Kind::kName) return syntax_error(line, "expected a name to assign to");
    }
    tuple->children.push_back(std::move(item));
    if (!skip_operator(",")) break;
    has_comma = true;
  }
  if (!has_comma) return std::move(tuple->children[0]);
  return finish(std::move(tuple));
}

Status Parser::parse_for(Statement& statement) {
  statement.kind = StatementKind::kFor;
  SAIN_ASSIGN_OR_RETURN(statement.target, parse_target(false));
  SAIN_RETURN_IF_ERROR(expect_name("in"));
  SAIN_ASSIGN_OR_RETURN(statement.expression, parse_tuple(Conditionals::kNotAllowed, false));
  if (skip_name("if")) {
    SAIN_ASSIGN_OR_RETURN(statement.condition, parse_expression());
  }
  if (current().is_name("recursive")) {
    return make_error(ErrorCode::kUnsupported, "line {}: a recursive for loop", statement.line);
  }
  ++loops_;
  SAIN_ASSIGN_OR_RETURN(statement.body, parse_body({"endfor", "else"}));
  --loops_;
  if (take().text == "else") {
    SAIN_ASSIGN_OR_RETURN(statement.otherwise, parse_body_until("endfor"));
  }
  return {};
}

Status Parser::parse_if(Statement& statement) {
  statement.kind = StatementKind::kIf;
  while (true) {
    Branch branch;
    SAIN_ASSIGN_OR_RETURN(branch.condition, parse_tuple(Conditionals::kNotAllowed, false));
    SAIN_ASSIGN_OR_RETURN(branch.body, parse_body({"elif", "else", "endif"}));
    statement.branches.push_back(std::move(branch));
    const std::string tag = take().text;
    if (tag == "endif") return {};
    if (tag == "else") break;
  }
  Branch otherwise;
  SAIN_ASSIGN_OR_RETURN(otherwise.body, parse_body_until("endif"));
  statement.branches.push_back(std::move(otherwise));
  return {};
}

Status Parser::parse_set(Statement& statement) {
  SAIN_ASSIGN_OR_RETURN(statement.target, parse_target(true));
  if (skip_operator("=")) {
    statement.kind = StatementKind::kSet;
    SAIN_ASSIGN_OR_RETURN(statement.expression, parse_tuple(Conditionals::kAllowed, false));
    return {};
  }
  statement.kind = StatementKind::kSetBlock;
  while (skip_operator("|")) {
    SAIN_ASSIGN_OR_RETURN(statement.expression, parse_filter(std::move(statement.expression)));
  }
  SAIN_ASSIGN_OR_RETURN(statement.body, parse_body_until("endset"));
  return {};
}

Status Parser::parse_with(Statement& statement) {
  statement.kind = StatementKind::kWith;
  while (current().kind != Token::Kind::kBlockEnd) {
    if (!statement.assignments.empty()) SAIN_RETURN_IF_ERROR(expect_operator(","));
    Assignment assignment;
    SAIN_ASSIGN_OR_RETURN(assignment.target, parse_target(false));
    SAIN_RETURN_IF_ERROR(expect_operator("="));
    SAIN_ASSIGN_OR_RETURN(assignment.value, parse_expression());
    statement.assignments.push_back(std::move(assignment));
  }
  SAIN_ASSIGN_OR_RETURN(statement.body, parse_body_until("endwith"));
  return {};
}

Status Parser::parse_parameters(MacroBody& macro) {
  SAIN_RETURN_IF_ERROR(expect_operator("("));
  while (!current().is_operator(")")) {
    if (macro.parameters.size() == kMaxArguments) {
      return make_error(ErrorCode::kResourceExhausted, "line {}: more than {} parameters", current().line,
                        kMaxArguments);
    }
    if (!macro.parameters.empty()) SAIN_RETURN_IF_ERROR(expect_operator(","));
    SAIN_ASSIGN_OR_RETURN(const Token name, expect_identifier());
    Parameter parameter{intern(name.text), name.text, nullptr};
    if (skip_operator("=")) {
      SAIN_ASSIGN_OR_RETURN(parameter.fallback, parse_expression());
    } else if (!macro.parameters.empty() && macro.parameters.back().fallback != nullptr) {
      return syntax_error(name.line, "the parameter '{}' needs a default, as one before it has", name.text);
    }
    macro.parameters.push_back(std::move(parameter));
  }
  take();
  return {};
}

/// The statements of a macro, in which an outer loop cannot be broken out of.
Status Parser::parse_macro_body(MacroBody& macro, std::string_view end_tag) {
  const size_t outer_loops = std::exchange(loops_, 0);
  macros_.push_back(&macro);
  SAIN_ASSIGN_OR_RETURN(macro.body, parse_body_until(end_tag));
  macros_.pop_back();
  loops_ = outer_loops;
  return {};
}

Status Parser::parse_macro(Statement& statement) {
  statement.kind = StatementKind::kMacro;
  statement.macro = std::make_unique<MacroBody>();
  SAIN_ASSIGN_OR_RETURN(const Token name, expect_identifier());
  statement.name_id = intern(name.text);
  statement.macro->name = name.text;
  SAIN_RETURN_IF_ERROR(parse_parameters(*statement.macro));
  return parse_macro_body(*statement.macro, "endmacro");
}

Status Parser::parse_call_block(Statement& statement) {
  statement.kind = StatementKind::kCallBlock;
  statement.macro = std::make_unique<MacroBody>();
  statement.macro->name = "caller";
  if (current().is_operator("(")) SAIN_RETURN_IF_ERROR(parse_parameters(*statement.macro));
  SAIN_ASSIGN_OR_RETURN(statement.expression, parse_expression());
  if (statement.expression->kind != Kind::kCall) return syntax_error(statement.line, "expected a call after 'call'");
  return parse_macro_body(*statement.macro, "endcall");
}

Status Parser::parse_filter_block(Statement& statement) {
  statement.kind = StatementKind::kFilterBlock;
  do {
    SAIN_ASSIGN_OR_RETURN(statement.expression, parse_filter(std::move(statement.expression)));
  } while (skip_operator("|"));
  SAIN_ASSIGN_OR_RETURN(statement.body, parse_body_until("endfilter"));
  return {};
}

}  // namespace sain::formats::jinja
