#include "router/plan.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace sain::router {
namespace {

constexpr size_t kMostSteps = 4;
constexpr size_t kLeastBytes = 8;  // of a step: fewer are no request

/// What joins two requests, in lower case, with single spaces. The longer ones come first.
constexpr std::array<std::string_view, 16> kJoints = {
    ", and finally ", ", and after that ", ", and then ", "; and then ",   ". and then ",   " and then ",
    "; then ",        ", then ",           ". then ",     ", after that ", ". after that ", ", afterwards ",
    ". afterwards ",  ", finally ",        ". finally ",  " and finally ",
};

/// "and" joins two requests only before a verb that begins one.
constexpr std::array<std::string_view, 2> kAnd = {", and ", " and "};
constexpr std::array<std::string_view, 14> kVerbs = {
    "calculate ", "compare ",   "compute ",   "describe ",  "draft ",   "explain ",    "prove ",
    "rewrite ",   "summarise ", "summarize ", "translate ", "turn it ", "write down ", "write a "};

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c == '\n' || c == '\t' ? ' ' : c;
}

/// Bytes of the joint that begins here; 0 when none does.
size_t joint_at(std::string_view text) {
  std::string begin(text.substr(0, 40));
  std::ranges::transform(begin, begin.begin(), lower);
  for (const std::string_view joint : kJoints) {
    if (begin.starts_with(joint)) return joint.size();
    // "Then, ..." too
    if (begin.starts_with(joint.substr(0, joint.size() - 1)) && begin.substr(joint.size() - 1).starts_with(", "))
      return joint.size() + 1;
  }
  for (const std::string_view joint : kAnd)
    if (begin.starts_with(joint))
      for (const std::string_view verb : kVerbs)
        if (begin.substr(joint.size()).starts_with(verb)) return joint.size();
  return 0;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const size_t first = std::min(text.find_first_not_of(kBlank), text.size());
  return text.substr(first, text.find_last_not_of(kBlank) + 1 - first);
}

}  // namespace

std::vector<std::string> split_steps(std::string_view text) {
  std::vector<std::string> steps;
  size_t begin = 0;
  char quote = 0;  // that we are in
  for (size_t i = 0; i < text.size() && steps.size() + 1 < kMostSteps; ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == quote) quote = 0;
      continue;
    }
    if (c == '"' || c == '`') {
      quote = c;
      continue;
    }
    const size_t n = joint_at(text.substr(i));
    if (n == 0 || trimmed(text.substr(begin, i - begin)).size() < kLeastBytes ||
        trimmed(text.substr(i + n)).size() < kLeastBytes)
      continue;
    steps.emplace_back(trimmed(text.substr(begin, i - begin)));
    begin = i + n;
    i = begin - 1;
  }
  steps.emplace_back(trimmed(text.substr(begin)));
  return steps;
}

}  // namespace sain::router
