// The walk over a schema.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/json_schema/grammar_text.h"
#include "formats/json_schema/numbers.h"
#include "formats/result.h"

namespace sain::formats {

/// Every schema becomes a rule, or the name of one that is there already.
class SchemaCompiler {
 public:
  /// `root` must outlive it.
  explicit SchemaCompiler(const nlohmann::ordered_json& root) : root_(&root) {}

  /// The grammar's text. Errors: those of json_schema_grammar_text().
  Result<std::string> compile();

 private:
  using Json = nlohmann::ordered_json;

  /// Where a schema stands in the document, and how deep the walk is.
  struct Place {
    std::string pointer;
    size_t depth = 0;
    Place child(std::string_view key) const;
    Place child(size_t index) const { return child(std::to_string(index)); }
  };
  using Expression = Result<std::string>;  // an item of a grammar

  Status check_size() const;
  Status check_keywords(const Json& schema, const Place& place) const;
  Expression visit(const Json& schema, const Place& place);
  Expression reference(const Json& schema, const Place& place);
  Expression merged(Json base, const Json& others, const Place& place);
  Result<Json> resolved(const Json& schema, const Place& place);
  Expression branches(const Json& schema, std::string_view keyword, const Place& place);
  Expression values(const Json& list, const Json& schema, const Place& place);
  Expression of_types(const Json& schema, const Place& place);
  Expression of_type(std::string_view type, const Json& schema, const Place& place);
  Expression string(const Json& schema, const Place& place);
  Expression integer(const Json& schema, const Place& place);
  Expression number(const Json& schema, const Place& place);
  Expression array(const Json& schema, const Place& place);
  Expression object(const Json& schema, const Place& place);
  Expression other_properties(const Json& schema, const Json& declared, const Place& place);

  Result<std::optional<uint32_t>> count(const Json& schema, std::string_view keyword, const Place& place) const;
  Result<std::optional<Bound>> bound(const Json& schema, std::string_view closed, std::string_view open,
                                     const Place& place) const;
  Result<const Json*> find(std::string_view reference, const Place& place) const;

  static Error fault(ErrorCode code, const Place& place, std::string_view message);

  const Json* root_;
  GrammarText grammar_;
  std::map<std::string, std::string, std::less<>> references_;  // their rules
  size_t n_visits_ = 0;
};

/// Property names that are none of `names`, in quotes, as a rule. None of them has a backslash.
std::string names_except(std::vector<std::string> names, GrammarText& grammar);

}  // namespace sain::formats
