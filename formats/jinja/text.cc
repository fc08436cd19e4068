#include "formats/jinja/text.h"

#include <algorithm>

namespace sain::formats::jinja {

Trust Text::trust_at(size_t index) const {
  const auto border = std::upper_bound(borders_.begin(), borders_.end(), index,
                                       [](size_t position, const Border& b) { return position < b.end; });
  return border == borders_.end() ? last_ : border->trust;
}

void Text::append(std::string_view bytes, Trust trust) {
  if (bytes.empty()) return;
  if (trust != last_) {
    if (!bytes_.empty()) borders_.push_back({bytes_.size(), last_});
    last_ = trust;
  }
  bytes_.append(bytes);
}

void Text::append(const Text& other, size_t begin, size_t end) {
  end = std::min(end, other.size());
  const std::string_view bytes = other.bytes_;
  auto border = std::upper_bound(other.borders_.begin(), other.borders_.end(), begin,
                                 [](size_t position, const Border& b) { return position < b.end; });
  for (; begin < end && border != other.borders_.end(); ++border) {
    const size_t run_end = std::min(end, border->end);
    append(bytes.substr(begin, run_end - begin), border->trust);
    begin = run_end;
  }
  if (begin < end) append(bytes.substr(begin, end - begin), other.last_);
}

Text Text::slice(size_t begin, size_t end) const {
  Text result;
  result.append(*this, begin, end);
  return result;
}

std::vector<Text::Run> Text::runs() const {
  std::vector<Run> result;
  size_t begin = 0;
  for (const Border& border : borders_) {
    result.push_back({begin, border.end, border.trust});
    begin = border.end;
  }
  if (begin < size()) result.push_back({begin, size(), last_});
  return result;
}

}  // namespace sain::formats::jinja
