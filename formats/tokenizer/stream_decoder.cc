#include "formats/tokenizer.h"
#include "formats/utf8.h"

namespace sain::formats {

std::string StreamDecoder::push(Token token) {
  tokenizer_->append_piece(token, special_, fresh_, pending_);
  return take(/*at_end=*/false);
}

std::string StreamDecoder::flush() {
  return take(/*at_end=*/true);
}

std::string StreamDecoder::take(bool at_end) {
  std::string text;
  size_t done = 0;
  while (done < pending_.size()) {
    const std::string_view rest = std::string_view(pending_).substr(done);
    const Utf8Unit unit = first_utf8_unit(rest);
    if (unit.kind == Utf8Kind::kTruncated && !at_end) break;
    text += unit.kind == Utf8Kind::kComplete ? rest.substr(0, unit.size) : "\uFFFD";
    done += unit.size;
  }
  pending_.erase(0, done);
  return text;
}

}  // namespace sain::formats
