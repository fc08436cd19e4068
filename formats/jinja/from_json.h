// Values from JSON.
#pragma once

#include <nlohmann/json.hpp>

#include "formats/jinja/runtime.h"

namespace sain::formats::jinja {

/// `json` as a value whose strings and numbers all have this provenance. Integers beyond 64 bits become floats.
/// Errors: kResourceExhausted where it is nested deeper than kMaxValueDepth, or too large.
Result<Value> from_json(Runtime& runtime, const nlohmann::ordered_json& json, Trust trust);

}  // namespace sain::formats::jinja
