// A whole file as read-only memory.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "formats/result.h"

namespace sain::formats {

/// Owns the mapping; unmapped on destruction. The address stays the same when the object moves. Pages come from the
/// file as they are touched, so a file that another program shortens meanwhile takes the process down (SIGBUS):
/// replace model files by renaming, never in place.
class MappedFile {
 public:
  /// Maps `path`, a regular file; an empty file gives an empty span. Errors: kNotFound, kIo.
  static Result<MappedFile> open(const std::filesystem::path& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::span<const std::byte> bytes_;
};

/// As long as it lives, a page of `bytes` that is touched is read alone. The kernel reads ahead otherwise, up to 8 MiB
/// for each place: for a little here and there of a model that is a third of its file. `bytes` may be any memory.
class SparseReads {
 public:
  explicit SparseReads(std::span<const std::byte> bytes);
  SparseReads(const SparseReads&) = delete;
  SparseReads& operator=(const SparseReads&) = delete;
  ~SparseReads();

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace sain::formats
