// Python's string operations, on text that keeps its provenance. Methods and filters share them.
#pragma once

#include <optional>
#include <vector>

#include "formats/jinja/runtime.h"

namespace sain::formats::jinja {

enum class Sides { kLeft, kRight, kBoth };

/// text without white space, or without the code points of `characters`, at its ends.
Text strip(const Text& text, const Text* characters, Sides sides);

/// Up to `count` (all if negative) occurrences of `from` become `to`.
Result<Text> replace(Runtime& runtime, const Text& text, const Text& from, const Text& to, int64_t count);

/// str.split() and str.rsplit(): at each `separator`, or at white space if there is none. At most `n_max` cuts (any
/// number if negative), counted from the left or the right. Errors: an empty separator.
enum class From { kLeft, kRight };
Result<std::vector<Text>> split(Runtime& runtime, const Text& text, const Text* separator, int64_t n_max, From from);

/// str.splitlines().
Result<std::vector<Text>> split_lines(Runtime& runtime, const Text& text, bool keep_ends);

/// separator.join(parts).
Result<Text> join(Runtime& runtime, const std::vector<Text>& parts, const Text& separator);

/// A list of strings as a value.
Result<Value> make_texts(Runtime& runtime, std::vector<Text> parts);

enum class Casing { kUpper, kLower, kSwap, kTitle, kCapitalize };
Text change_case(const Text& text, Casing casing);

/// text padded with `fill` to `width` code points.
enum class Align { kLeft, kRight, kCenter };
Result<Text> pad(Runtime& runtime, const Text& text, int64_t width, const Text& fill, Align align);

/// The byte offset of the last occurrence of `needle`, npos if there is none.
size_t rfind_bytes(std::string_view text, std::string_view needle);

}  // namespace sain::formats::jinja
