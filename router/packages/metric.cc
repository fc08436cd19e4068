#include "router/packages/metric.h"

#include <algorithm>
#include <cctype>
#include <cmath>

namespace sain::router {
namespace {

bool is_word_byte(char c) {
  return static_cast<unsigned char>(c) >= 0x80 || std::isalnum(static_cast<unsigned char>(c)) != 0;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

bool has_words(std::string_view text, std::string_view words) {
  for (size_t at = text.find(words); at != std::string_view::npos; at = text.find(words, at + 1)) {
    const size_t end = at + words.size();
    // Where the answer itself begins or ends with a sign, anything may stand beside it.
    const bool begins = at == 0 || !is_word_byte(words.front()) || !is_word_byte(text[at - 1]);
    const bool ends = end == text.size() || !is_word_byte(words.back()) || !is_word_byte(text[end]);
    if (begins && ends) return true;
  }
  return false;
}

}  // namespace

bool is_right(std::string_view text, std::span<const std::string> answers) {
  const std::string in = lower(text);
  return std::ranges::any_of(answers, [&](const std::string& answer) { return has_words(in, lower(answer)); });
}

Score score(const std::vector<bool>& right) {
  if (right.empty()) return {};
  const auto n = static_cast<double>(right.size());
  const double share = static_cast<double>(std::ranges::count(right, true)) / n;
  return {share, std::sqrt(share * (1 - share) / n)};
}

double chance_of_drop(const std::vector<bool>& before, const std::vector<bool>& after) {
  unsigned n_worse = 0, n_better = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    n_worse += before[i] && !after[i] ? 1 : 0;
    n_better += after[i] && !before[i] ? 1 : 0;
  }
  // P(X >= n_worse) of a fair coin, by logarithms: 2^-n underflows.
  const double n = n_worse + n_better;
  double chance = 0;
  for (double k = n_worse; k <= n; ++k)
    chance += std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1) - n * std::log(2.0));
  return std::min(chance, 1.0);
}

}  // namespace sain::router
