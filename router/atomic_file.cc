#include "router/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace sain::router {
namespace {

Error io_error(const std::filesystem::path& path, int code) {
  return make_error(ErrorCode::kIo, "{}: cannot be written: {}", path.string(), std::strerror(code));
}

/// Returns 0 or errno.
int write_all(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t n = ::write(fd, content.data(), content.size());
    if (n < 0 && errno != EINTR) return errno;
    if (n > 0) content.remove_prefix(static_cast<size_t>(n));
  }
  return ::fsync(fd) == 0 ? 0 : errno;
}

}  // namespace

Status write_file_atomically(const std::filesystem::path& path, std::string_view content, FileAccess access) {
  std::error_code error;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), error);
  if (error) return io_error(path, error.value());

  const std::filesystem::path temporary = path.string() + fmt::format(".{}.tmp", ::getpid());
  const mode_t mode = access == FileAccess::kOwnerOnly ? 0600 : 0666;
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
  if (fd < 0) return io_error(temporary, errno);
  int failure = write_all(fd, content);
  if (::close(fd) != 0 && failure == 0) failure = errno;
  if (failure == 0 && ::rename(temporary.c_str(), path.c_str()) != 0) failure = errno;
  if (failure == 0) return {};
  ::unlink(temporary.c_str());
  return io_error(path, failure);
}

}  // namespace sain::router
