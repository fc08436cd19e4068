// Several schemas that all must fit, as one.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

#include "formats/result.h"

namespace sain::formats {

/// Whether a keyword only describes, or is looked at elsewhere ($defs).
bool is_annotation(std::string_view keyword);

/// `schema` that fits what both fit. Keywords that only one has are kept; `properties`, `required`, `type`, `enum` and
/// bounds of both are put together. Neither may be a reference or have subschemas side by side (allOf, anyOf, oneOf).
/// Errors: kUnsupported naming a keyword of both that cannot be put together; kInvalidArgument (nothing fits both).
Status merge_into(nlohmann::ordered_json& schema, const nlohmann::ordered_json& other);

}  // namespace sain::formats
