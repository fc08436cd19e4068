// A whole file as read-only memory.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "formats/mapping_guard.h"
#include "formats/result.h"

namespace sain::formats {

/// Owns the mapping; unmapped on destruction. The address stays the same when the object moves. Pages come from the
/// file as they are touched, also long after open(). What another program does to the file meanwhile shows: replace
/// model files by renaming, never in place. Where a page does not come, because the file has been cut or the disk is
/// broken, zeros come in its place and status() says so.
class MappedFile {
 public:
  /// Maps `path`, a regular file; an empty file gives an empty span. Errors: kNotFound, kIo, kResourceExhausted.
  static Result<MappedFile> open(const std::filesystem::path& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return bytes_; }

  /// kIo, naming the file, from the first read on that it did not answer. Ask after reading, and before anybody relies
  /// on what was read.
  Status status() const;

 private:
  MappedFile(const std::filesystem::path& path, std::span<const std::byte> bytes)
      : path_(path), bytes_(bytes), guard_(bytes) {}

  std::filesystem::path path_;
  std::span<const std::byte> bytes_;
  MappingGuard guard_;
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
