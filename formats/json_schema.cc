#include "formats/json_schema.h"

#include "formats/json_schema/compiler.h"

namespace sain::formats {

Result<std::string> json_schema_grammar_text(const nlohmann::ordered_json& schema) {
  return SchemaCompiler(schema).compile();
}

Result<Grammar> json_schema_grammar(const nlohmann::ordered_json& schema) {
  SAIN_ASSIGN_OR_RETURN(const std::string text, json_schema_grammar_text(schema));
  auto grammar = Grammar::parse(text);
  if (grammar) return grammar;
  if (grammar.error().code == ErrorCode::kResourceExhausted) {
    return make_error(ErrorCode::kResourceExhausted, "schema: too large a {}", grammar.error().message);
  }
  return make_error(ErrorCode::kInvalidArgument,
                    "schema: a $ref leads back to itself without end, or a pattern's "
                    "repetition is none ({})",
                    grammar.error().message);
}

Grammar json_object_grammar() {
  auto grammar = Grammar::parse(GrammarText().finish("object"));
  return *std::move(grammar);
}

}  // namespace sain::formats
