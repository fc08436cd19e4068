#include "router/answer_check.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>

namespace sain::router {
namespace {

constexpr size_t kMostBytes = 300;  // of a refusal

/// In lower case, with plain apostrophes. Each is enough to tell: "I can't" alone begins many a good answer.
constexpr std::array<std::string_view, 15> kOpenings = {
    "i'm sorry, but i can't",  "i'm sorry, but i cannot",  "i'm sorry, but i'm not able to",
    "i'm sorry, but as an ai", "i'm sorry, i can't",       "i'm sorry, i cannot",
    "i am sorry, but i can't", "i am sorry, but i cannot", "sorry, but i can't",
    "sorry, i can't",          "i can't assist with",      "i cannot assist with",
    "i can't help with",       "i cannot help with",       "as an ai language model, i can",
};

/// As in kOpenings, without what stands before the first letter.
std::string normalised(std::string_view text) {
  const size_t begin = std::min(text.find_first_not_of(" \t\r\n\"*"), text.size());
  std::string out;
  for (size_t i = begin; i < text.size() && out.size() < 64; ++i) {
    if (text.substr(i).starts_with("\u2019")) {  // a typographic apostrophe
      out += '\'';
      i += 2;
    } else {
      out += text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] - 'A' + 'a') : text[i];
    }
  }
  return out;
}

}  // namespace

bool may_become_refusal(std::string_view text) {
  if (text.size() > kMostBytes) return false;
  const std::string begin = normalised(text);
  return std::ranges::any_of(
      kOpenings, [&](std::string_view opening) { return begin.starts_with(opening) || opening.starts_with(begin); });
}

bool is_refusal(std::string_view text) {
  if (text.size() > kMostBytes) return false;
  const std::string begin = normalised(text);
  return std::ranges::any_of(kOpenings, [&](std::string_view opening) { return begin.starts_with(opening); });
}

}  // namespace sain::router
