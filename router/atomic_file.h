// Files that are replaced as a whole: a reader sees the old content or the new one, never a part.
#pragma once

#include <filesystem>
#include <string_view>

#include "formats/result.h"

namespace sain::router {

enum class FileAccess { kOwnerOnly, kDefault };  // mode 0600, or 0666 less the umask

/// Writes `content` to a temporary file beside `path` and renames it; makes the folder where there is none.
/// Errors: kIo with the path and the system's reason.
Status write_file_atomically(const std::filesystem::path& path, std::string_view content, FileAccess access);

}  // namespace sain::router
