// A lock that processes take on a folder.
#pragma once

#include <filesystem>

#include "formats/result.h"

namespace sain::router {

/// Held until it is destroyed, and by no dead process.
class FolderLock {
 public:
  /// Waits for it. Errors: kIo, kNotFound.
  static Result<FolderLock> take(const std::filesystem::path& folder);

  FolderLock(FolderLock&& other) noexcept;
  FolderLock& operator=(FolderLock&&) = delete;
  ~FolderLock();

 private:
  explicit FolderLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace sain::router
