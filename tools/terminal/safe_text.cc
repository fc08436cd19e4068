#include "tools/terminal/safe_text.h"

namespace sain::tools {

std::string safe_text(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool is_c0 = (byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7F;
    if (is_c0) continue;
    if (byte == 0xC2 && i + 1 < text.size() && (static_cast<unsigned char>(text[i + 1]) & 0xE0) == 0x80) {
      ++i;  // U+0080 to U+009F
      continue;
    }
    safe += text[i];
  }
  return safe;
}

}  // namespace sain::tools
