#include "engine/stop_strings.h"

#include <algorithm>
#include <utility>

#include "formats/utf8.h"

namespace sain::engine {
namespace {

/// The longest end of `text` that a proper beginning of `string` equals.
size_t overlap(std::string_view text, std::string_view string) {
  size_t length = std::min(text.size(), string.size() - 1);
  while (length > 0 && !text.ends_with(string.substr(0, length))) --length;
  return length;
}

}  // namespace

Result<StopStrings> StopStrings::create(std::vector<std::string> strings) {
  for (size_t i = 0; i < strings.size(); ++i) {
    if (strings[i].empty()) {
      return make_error(ErrorCode::kInvalidArgument, "stop string {}: expected some text, found an empty string", i);
    }
    if (const size_t valid = formats::valid_utf8_prefix(strings[i]); valid < strings[i].size()) {
      return make_error(ErrorCode::kInvalidArgument, "stop string {}: expected UTF-8, found the byte 0x{:02x} at {}", i,
                        static_cast<unsigned char>(strings[i][valid]), valid);
    }
  }
  return StopStrings(std::move(strings));
}

std::string StopStrings::push(std::string_view text) {
  if (matched()) return {};
  std::string known = std::exchange(held_, {});
  known += text;

  size_t first_end = std::string::npos, begin = 0;
  for (const std::string& string : strings_) {
    const size_t found = known.find(string);
    if (found == std::string::npos) continue;
    const size_t end = found + string.size();
    if (end < first_end || (end == first_end && found < begin)) first_end = end, begin = found;
  }
  if (first_end != std::string::npos) {
    match_ = known.substr(begin, first_end - begin);
    known.resize(begin);
    return known;
  }

  size_t n_held = 0;
  for (const std::string& string : strings_) n_held = std::max(n_held, overlap(known, string));
  held_ = known.substr(known.size() - n_held);
  known.resize(known.size() - n_held);
  return known;
}

std::string StopStrings::flush() {
  return matched() ? std::string() : std::exchange(held_, {});
}

}  // namespace sain::engine
