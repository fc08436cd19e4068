// The fields by which clients ask for an answer of a certain form.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "formats/result.h"
#include "router/answer_form.h"
#include "router/protocol/fields.h"

namespace sain::router {

/// OpenAI's `response_format` (chat) and `format` (responses), the member `name` of `parent`: {"type": "text"},
/// {"type": "json_object"}, or {"type": "json_schema"} with a `schema` beside the type or in `json_schema`. None for
/// text. `body` is all of the request as it came, in which `pointer` is the format: the properties of an answer come in
/// the schema's order. Fails `parent` where it is something else, or a schema that cannot be kept.
std::shared_ptr<const AnswerForm> read_format(Fields& parent, const char* name, std::string_view body,
                                              const nlohmann::json::json_pointer& pointer);

/// Ollama's `format`: "", "json" or a schema.
std::shared_ptr<const AnswerForm> read_ollama_format(Fields& parent, const char* name, std::string_view body);

/// A grammar (formats/grammar.h) as text; none where it is empty.
std::shared_ptr<const AnswerForm> read_grammar(Fields& parent, const char* name);

}  // namespace sain::router
