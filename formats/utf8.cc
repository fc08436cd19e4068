#include "formats/utf8.h"

#include <cstdint>
#include <cstring>

namespace sain::formats {

Utf8Unit first_utf8_unit(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {1, Utf8Kind::kComplete};
  if (lead < 0xC2 || lead > 0xF4) return {1, Utf8Kind::kInvalid};
  const size_t size = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  // Only the second byte's range depends on the lead byte.
  uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  for (size_t i = 1; i < size; ++i) {
    if (i == text.size()) return {i, Utf8Kind::kTruncated};
    if (byte(i) < low || byte(i) > high) return {i, Utf8Kind::kInvalid};
    low = 0x80;
    high = 0xBF;
  }
  return {size, Utf8Kind::kComplete};
}

size_t valid_utf8_prefix(std::string_view text) {
  size_t end = 0;
  while (end < text.size()) {
    uint64_t eight;
    if (end + sizeof eight <= text.size()) {
      std::memcpy(&eight, text.data() + end, sizeof eight);
      if ((eight & 0x8080808080808080u) == 0) {
        end += sizeof eight;
        continue;
      }
    }
    const Utf8Unit unit = first_utf8_unit(text.substr(end));
    if (unit.kind != Utf8Kind::kComplete) break;
    end += unit.size;
  }
  return end;
}

}  // namespace sain::formats
