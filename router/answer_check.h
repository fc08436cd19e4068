// Whether an answer is one.
#pragma once

#include <string_view>

namespace sain::router {

/// Whether `text`, the beginning of an answer, may still become a refusal: it is the beginning of a sentence with which
/// models refuse, or has begun with one and is short.
bool may_become_refusal(std::string_view text);

/// Whether the whole answer is a refusal: it begins with such a sentence, and says little else. What is refused first
/// and then answered at length is an answer.
bool is_refusal(std::string_view text);

}  // namespace sain::router
