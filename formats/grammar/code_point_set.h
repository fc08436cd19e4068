// Sets of Unicode's code points, and the UTF-8 bytes that spell them.
#pragma once

#include <cstdint>
#include <vector>

namespace sain::formats {

/// Ranges of code points; surrogates, which UTF-8 cannot spell, are never of a set.
class CodePointSet {
 public:
  static constexpr uint32_t kLast = 0x10FFFF;

  struct Range {
    uint32_t low, high;  // both inclusive
    bool operator==(const Range&) const = default;
  };

  CodePointSet() = default;
  CodePointSet(std::initializer_list<Range> ranges);

  /// `high` at most kLast, and `low` not above it.
  void add(uint32_t low, uint32_t high);
  void add(uint32_t code_point) { add(code_point, code_point); }
  void add(const CodePointSet& other);

  CodePointSet complement() const;
  CodePointSet without(const CodePointSet& other) const;
  bool contains(uint32_t code_point) const;
  bool empty() const { return ranges_.empty(); }

  /// In order, with gaps between them.
  const std::vector<Range>& ranges() const { return ranges_; }

 private:
  std::vector<Range> ranges_;
};

struct ByteRange {
  uint8_t low, high;  // both inclusive
  auto operator<=>(const ByteRange&) const = default;
};

/// Sequences of one to four ranges of bytes; together they match the UTF-8 of the set's code points, each in one way.
/// The ranges are cut where the number of bytes changes and where a byte but the last would not run over all of its
/// values (the construction of R. Cox, "Regular Expression Matching in the Wild", 2010).
std::vector<std::vector<ByteRange>> utf8_sequences(const CodePointSet& set);

}  // namespace sain::formats
