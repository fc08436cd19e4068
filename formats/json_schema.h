// JSON Schema as a grammar: every text of the grammar is JSON that fits the schema.
//
// What is enforced: `type` (one or several), `properties`, `required`, `additionalProperties`, `items`, `prefixItems`,
// `minItems`, `maxItems`, `enum`, `const`, `minLength`, `maxLength`, `pattern` (formats/json_schema/pattern.h),
// `format` (date, time, date-time, uuid, email, ipv4, uri), `minimum`, `maximum`, `exclusiveMinimum`,
// `exclusiveMaximum` (of numbers that are not integers: at whole numbers), `anyOf`, `oneOf`, `allOf`, `$ref` within the
// document, `nullable`. Any other keyword that is not just a description is an error, never ignored.
//
// The grammar has fewer texts than the schema where that does an answer no harm:
// - properties come in the schema's order, and others than those declared only where `additionalProperties` says so (or
//   none is declared);
// - white space is as people write it: one space after a colon or comma, or one line break and an indentation, never
//   more; so no model can go on for ever between two tokens of JSON;
// - numbers have at most 16 digits before and after the point, dates no 29th of February, and properties that are not
//   declared no escapes in their names where others are;
// - `oneOf` is read as `anyOf`: what fits two of its schemas is not kept out.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "formats/grammar.h"
#include "formats/result.h"

namespace sain::formats {

/// Errors, which name the place as a JSON pointer and the keyword: kInvalidArgument (not a schema, or nothing can fit
/// it), kUnsupported (a keyword or value that cannot be enforced), kResourceExhausted (too large or too deep).
Result<Grammar> json_schema_grammar(const nlohmann::ordered_json& schema);

/// The same as text, for Grammar::parse. Some of the errors above only come from there.
Result<std::string> json_schema_grammar_text(const nlohmann::ordered_json& schema);

/// Any JSON object.
Grammar json_object_grammar();

}  // namespace sain::formats
