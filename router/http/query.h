// The query of a request: what stands after the question mark.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "formats/result.h"

namespace sain::router {

/// The value of the first parameter of this name, decoded (WHATWG URL, section 5.1); none where there is none. Errors:
/// kInvalidArgument (it is not UTF-8, or has a % without two hexadecimal digits behind it).
Result<std::optional<std::string>> query_value(std::string_view query, std::string_view name);

}  // namespace sain::router
