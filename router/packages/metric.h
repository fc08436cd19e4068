// How good a specialist is at its specialty, and whether a new version of it is worse than the old one.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "router/packages/manifest.h"

namespace sain::router {

/// Whether any of `answers` is in `text` as whole words, in any letter case (of ASCII).
bool is_right(std::string_view text, std::span<const std::string> answers);

struct Score {
  double share = 0;           // of right answers
  double standard_error = 0;  // of the share, as of a sample of all questions that could have been asked
};
Score score(const std::vector<bool>& right);

/// How probable it is that a version no worse than `before` does so badly or worse by chance: the sign test, one-sided,
/// over the questions that only one of them answers rightly. Both of the same questions. 1 where nothing differs.
double chance_of_drop(const std::vector<bool>& before, const std::vector<bool>& after);

}  // namespace sain::router
