#include "formats/grammar/code_point_set.h"

#include <algorithm>
#include <string>

#include "formats/jinja/unicode.h"

namespace sain::formats {
namespace {

constexpr uint32_t kFirstSurrogate = 0xD800, kLastSurrogate = 0xDFFF;

/// Appends the sequences of [low, high], which holds no surrogates.
void append_sequences(uint32_t low, uint32_t high, std::vector<std::vector<ByteRange>>& sequences) {
  const auto split_after = [&](uint32_t last) {
    append_sequences(low, last, sequences);
    append_sequences(last + 1, high, sequences);
  };
  for (const uint32_t last : {0x7Fu, 0x7FFu, 0xFFFFu}) {  // of one, two and three bytes
    if (low <= last && last < high) return split_after(last);
  }
  for (int n_trailing = 1; n_trailing < 4 && high > 0x7F; ++n_trailing) {
    const uint32_t trailing = (1u << 6 * n_trailing) - 1;
    if ((low | trailing) == (high | trailing)) break;
    if ((low & trailing) != 0) return split_after(low | trailing);
    if ((high & trailing) != trailing) return split_after((high & ~trailing) - 1);
  }
  std::string first, last;
  jinja::append_utf8(first, low);
  jinja::append_utf8(last, high);
  std::vector<ByteRange>& sequence = sequences.emplace_back();
  for (size_t i = 0; i < first.size(); ++i) {
    sequence.push_back({static_cast<uint8_t>(first[i]), static_cast<uint8_t>(last[i])});
  }
}

}  // namespace

CodePointSet::CodePointSet(std::initializer_list<Range> ranges) {
  for (const Range& range : ranges) add(range.low, range.high);
}

void CodePointSet::add(uint32_t low, uint32_t high) {
  if (low <= kLastSurrogate && high >= kFirstSurrogate) {
    if (low < kFirstSurrogate) add(low, kFirstSurrogate - 1);
    if (high > kLastSurrogate) add(kLastSurrogate + 1, high);
    return;
  }
  const auto first = std::ranges::lower_bound(ranges_, low, {}, [](const Range& range) { return range.high + 1; });
  auto last = first;
  for (; last != ranges_.end() && last->low <= high + 1; ++last) {
    low = std::min(low, last->low);
    high = std::max(high, last->high);
  }
  ranges_.insert(ranges_.erase(first, last), {low, high});
}

void CodePointSet::add(const CodePointSet& other) {
  for (const Range& range : other.ranges_) add(range.low, range.high);
}

CodePointSet CodePointSet::complement() const {
  CodePointSet result;
  uint32_t next = 0;
  for (const Range& range : ranges_) {
    if (range.low > next) result.add(next, range.low - 1);
    next = range.high + 1;
  }
  if (next <= kLast) result.add(next, kLast);
  return result;
}

CodePointSet CodePointSet::without(const CodePointSet& other) const {
  CodePointSet rest = complement();
  rest.add(other);
  return rest.complement();
}

bool CodePointSet::contains(uint32_t code_point) const {
  const auto range = std::ranges::lower_bound(ranges_, code_point, {}, &Range::high);
  return range != ranges_.end() && range->low <= code_point;
}

std::vector<std::vector<ByteRange>> utf8_sequences(const CodePointSet& set) {
  std::vector<std::vector<ByteRange>> sequences;
  for (const CodePointSet::Range& range : set.ranges()) append_sequences(range.low, range.high, sequences);
  return sequences;
}

}  // namespace sain::formats
