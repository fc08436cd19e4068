// Words that are capitalised, and no names of private persons.
#pragma once

#include <string_view>

namespace sain::router::privacy {

/// Whether `word`, in any case of its ASCII letters, begins sentences or is a month, a language, a country, a large
/// city, a brand, a title, or part of the name of an organisation or a place.
bool is_common_word(std::string_view word);

}  // namespace sain::router::privacy
