// The body of a request as JSON that nobody vouches for.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "formats/result.h"
#include "router/protocol/fields.h"

namespace sain::router {

inline constexpr size_t kMaxJsonDepth = 64;

/// An object, without those of its members that are null: clients send these for what they do not say. Errors:
/// kInvalidArgument (no JSON, with the place; bytes that are not UTF-8; a number that is out of range; arrays and
/// objects in each other deeper than kMaxJsonDepth; something else than an object).
Result<nlohmann::json> parse_json_object(std::string_view text);

/// The text of a message: a text, or a list of parts of `type` "text" or "input_text". `path` names it in errors.
/// Nothing for null. Errors, kept in `error` if there is none yet: kInvalidArgument.
std::string read_content(const nlohmann::json& content, const std::string& path, std::optional<Error>& error);

/// None where the field is not there.
std::optional<float> read_float(Fields& fields, const char* name, double low, double high);

/// Reads a field that is accepted with this value alone, which is what is done anyway.
void refuse_unless(Fields& fields, const nlohmann::json& object, const char* name, const nlohmann::json& accepted);

/// A text, or a list of at most `most` texts; none may be empty.
std::vector<std::string> read_texts(Fields& fields, const nlohmann::json& object, const char* name, size_t most);

}  // namespace sain::router
