// Text that nobody vouches for, made harmless for a terminal.
#pragma once

#include <string>
#include <string_view>

namespace sain::tools {

/// `text` (UTF-8) without control characters (C0, DEL and C1), apart from newlines and tabs: no escape sequence gets
/// through, so a model cannot move the cursor, set the window's title or write to the clipboard.
std::string safe_text(std::string_view text);

}  // namespace sain::tools
