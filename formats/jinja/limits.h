// What compiling and rendering a chat template may use up.
#pragma once

#include <cstddef>

namespace sain::formats {

/// The bounds of one rendering. The defaults leave room for the longest conversations and still end any template,
/// however hostile, in about a second and within a fraction of the memory that the model itself needs.
struct TemplateLimits {
  /// Evaluated nodes and loop rounds; looking through text or lists counts too (one step for every 64 bytes or 8
  /// items). A conversation of 1000 messages in a template that scans all of them for each one takes some 10 million.
  size_t steps = 20'000'000;
  /// Bytes of rendered text: four times what a context of one million tokens can hold at a typical 4 bytes each.
  size_t output_bytes = size_t{16} << 20;
  /// Bytes of all values that are made on the way, alive or not, so that this also bounds what is alive.
  size_t memory_bytes = size_t{256} << 20;
  /// Nested evaluation: expressions, statements and macro calls together. One level takes about 1 KB of stack (three
  /// times that under a sanitizer), and a thread may have as little as 2 MB.
  size_t depth = 600;
};

namespace jinja {

/// Bytes of a template's source. The largest known ones have some 30 KB.
inline constexpr size_t kMaxSourceBytes = size_t{1} << 18;
/// Nesting of the source: brackets, operators, filters, statements. Parser and destructors recurse this deep.
inline constexpr size_t kMaxNesting = 200;
/// Arguments of one call, and parameters of one macro.
inline constexpr size_t kMaxArguments = 255;
/// Nesting of lists and dicts. Comparing, printing and destroying a value recurse this deep.
inline constexpr size_t kMaxValueDepth = 100;
/// Items of a range(); the sandbox of the reference implementation has the same bound.
inline constexpr size_t kMaxRange = 100'000;

}  // namespace jinja
}  // namespace sain::formats
