// A file that appears complete or not at all.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "formats/result.h"

namespace sain::formats {

enum class FileAccess { kDefault, kOwnerOnly };  // mode 0666 less the umask, or 0600

/// Writes a file without a name in the target's folder; commit() gives it the target's, replacing what was there.
/// Without commit() it is gone with this object, or with the process, however that ends. Where a file system has no
/// files without names it has a temporary one beside the target, which a process that is killed leaves behind. Other
/// programs see the old file or the new one, never half of it, even across a power cut.
class AtomicFile {
 public:
  /// Errors: kIo, kNotFound (no such folder).
  static Result<AtomicFile> create(const std::filesystem::path& target, FileAccess access = FileAccess::kDefault);

  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();

  Status write(std::span<const std::byte> bytes);
  Status write(std::string_view text) { return write(std::as_bytes(std::span(text))); }
  Status commit();  // once

 private:
  AtomicFile(std::filesystem::path target, std::filesystem::path temporary, int fd);
  Status write_through(std::span<const std::byte> bytes);
  Status name();
  Error failure(const char* action) const;  // of errno
  void close() noexcept;

  std::filesystem::path target_;
  std::filesystem::path temporary_;  // empty where there is none (yet, or any more)
  int fd_;
  std::vector<std::byte> buffer_;  // writes gather here
};

/// A file of `text`, in place of what was there. Errors: those of AtomicFile.
Status write_atomically(const std::filesystem::path& target, std::string_view text,
                        FileAccess access = FileAccess::kDefault);

}  // namespace sain::formats
