#include "router/privacy/pattern.h"

#include <algorithm>
#include <new>

#include "formats/result.h"

namespace sain::router::privacy {
namespace {

struct FreeMatch {
  void operator()(pcre2_match_data* match) const { pcre2_match_data_free(match); }
};

bool continues_character(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

}  // namespace

Pattern::Pattern(const std::string& source) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(source.data()), source.size(), PCRE2_UTF | PCRE2_UCP, &error,
                            &offset, nullptr));
  if (!code_) fmt::print(stderr, "pattern {}: error {} at {}\n", source, error, offset);
  SAIN_CHECK(code_);
  pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE);  // where there is no JIT, matching is merely slower
}

size_t Pattern::search(std::string_view text, const Visit& visit) const {
  const std::unique_ptr<pcre2_match_data, FreeMatch> match(pcre2_match_data_create(1, nullptr));
  if (!match) throw std::bad_alloc();
  const PCRE2_SIZE* const bounds = pcre2_get_ovector_pointer(match.get());
  for (size_t from = 0; from < text.size();) {
    const int n = pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                              PCRE2_NO_UTF_CHECK, match.get(), nullptr);
    if (n == PCRE2_ERROR_NOMATCH) break;
    if (n < 0) return from;
    const size_t begin = bounds[0], end = bounds[1];
    size_t next = begin + (end > begin ? visit(begin, end) : 0);
    if (next == begin) ++next;
    while (next < text.size() && continues_character(text[next])) ++next;
    from = std::max(next, from + 1);
    while (from < text.size() && continues_character(text[from])) ++from;
  }
  return text.size();
}

}  // namespace sain::router::privacy
