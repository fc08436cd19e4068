#include "formats/tokenizer/pre_tokenizer.h"

#include <memory>
#include <string>
#include <utility>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "formats/utf8.h"

namespace sain::formats {
namespace {

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeMatch {
  void operator()(pcre2_match_data* match) const { pcre2_match_data_free(match); }
};
using Match = std::unique_ptr<pcre2_match_data, FreeMatch>;

/// PCRE2's own \s also holds U+180E, which is not a space to Unicode (since 6.3) or to the models.
std::string with_unicode_spaces(std::string_view pattern) {
  std::string result;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const std::string_view escape = pattern.substr(i, 2);
    if (escape == "\\s" || escape == "\\S") {
      result += escape[1] == 's' ? "\\p{White_Space}" : "\\P{White_Space}";
      ++i;
    } else if (escape == "\\\\") {
      result += escape;
      ++i;
    } else {
      result += pattern[i];
    }
  }
  return result;
}

}  // namespace

/// One pattern.
class PreTokenizer::Stage {
 public:
  static Result<Stage> compile(std::string_view pattern) {
    const std::string source = with_unicode_spaces(pattern);
    int error = 0;
    PCRE2_SIZE offset = 0;
    Stage stage;
    stage.code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(source.data()), source.size(),
                                    PCRE2_UTF | PCRE2_UCP | PCRE2_DOLLAR_ENDONLY, &error, &offset, nullptr));
    if (!stage.code_) {
      return make_error(ErrorCode::kInternal, "pre-tokenizer: pattern {}: error {} at {}", source, error, offset);
    }
    pcre2_jit_compile(stage.code_.get(), PCRE2_JIT_COMPLETE);  // where there is no JIT, matching is merely slower
    return stage;
  }

  /// `text` is well-formed UTF-8.
  void split(std::string_view text, pcre2_match_data* match, std::vector<std::string_view>& pieces) const {
    const PCRE2_SIZE* const bounds = pcre2_get_ovector_pointer(match);
    size_t done = 0;
    while (done < text.size() && matches(text, done, match) && bounds[1] > bounds[0]) {
      if (bounds[0] > done) pieces.push_back(text.substr(done, bounds[0] - done));
      pieces.push_back(text.substr(bounds[0], bounds[1] - bounds[0]));
      done = bounds[1];
    }
    if (done < text.size()) pieces.push_back(text.substr(done));
  }

 private:
  /// A match that PCRE2 gives up (for want of memory, say) counts as none.
  bool matches(std::string_view text, size_t from, pcre2_match_data* match) const {
    const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    const int n = pcre2_match(code_.get(), subject, text.size(), from, PCRE2_NO_UTF_CHECK, match, nullptr);
    if (n != PCRE2_ERROR_JIT_STACKLIMIT) return n > 0;
    return pcre2_match(code_.get(), subject, text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, match, nullptr) > 0;
  }

  std::unique_ptr<pcre2_code, FreeCode> code_;
};

PreTokenizer::PreTokenizer() = default;
PreTokenizer::PreTokenizer(PreTokenizer&&) noexcept = default;
PreTokenizer& PreTokenizer::operator=(PreTokenizer&&) noexcept = default;
PreTokenizer::~PreTokenizer() = default;

Result<PreTokenizer> PreTokenizer::compile(const PreTokenizerSpec& spec) {
  PreTokenizer pre_tokenizer;
  for (const std::string_view pattern : spec.stages) {
    SAIN_ASSIGN_OR_RETURN(Stage stage, Stage::compile(pattern));
    pre_tokenizer.stages_.push_back(std::move(stage));
  }
  return pre_tokenizer;
}

void PreTokenizer::split(std::string_view text, std::vector<std::string_view>& pieces) const {
  const Match match(pcre2_match_data_create(1, nullptr));
  if (!match) throw std::bad_alloc();
  std::vector<std::string_view> current;
  std::vector<std::string_view> next;
  while (!text.empty()) {
    const size_t valid = valid_utf8_prefix(text);
    if (valid > 0) {
      current.assign(1, text.substr(0, valid));
      for (const Stage& stage : stages_) {
        next.clear();
        for (const std::string_view piece : current) stage.split(piece, match.get(), next);
        std::swap(current, next);
      }
      pieces.insert(pieces.end(), current.begin(), current.end());
      text.remove_prefix(valid);
    }
    size_t invalid = 0;
    while (invalid < text.size()) {
      const Utf8Unit unit = first_utf8_unit(text.substr(invalid));
      if (unit.kind == Utf8Kind::kComplete) break;
      invalid += unit.size;
    }
    if (invalid > 0) pieces.push_back(text.substr(0, invalid));
    text.remove_prefix(invalid);
  }
}

}  // namespace sain::formats
