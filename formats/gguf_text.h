// Text about GGUF values that is safe to show: for messages and listings.
#pragma once

#include <string>
#include <string_view>

#include "formats/gguf.h"

namespace sain::formats {

/// `text`, cut after about `max_bytes`, with control characters and broken UTF-8 written as \xNN: a name from a hostile
/// file must not steer the user's terminal.
std::string escape(std::string_view text, size_t max_bytes = 80);

/// The same in single quotes.
std::string quote(std::string_view text, size_t max_bytes = 80);

}  // namespace sain::formats
