#include "formats/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

namespace sain::formats {
namespace {

// What a file system with large folios keeps in one piece, which is mapped at once: see engine/model.cc.
constexpr size_t kBufferBytes = 2 << 20;

Error io_error(const std::filesystem::path& path, const char* action, int number) {
  return make_error(number == ENOENT || number == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo, "{}: cannot {}: {}",
                    path.string(), action, std::generic_category().message(number));
}

/// Makes a rename in `folder` durable. A file system that cannot do this has no say in whether the file is whole.
void sync_folder(const std::filesystem::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  (void)::fsync(fd);
  ::close(fd);
}

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

/// The first temporary name beside `target` that make(name) takes; empty, with errno, where it takes none.
template <class Make>
std::filesystem::path temporary_name(const std::filesystem::path& target, Make&& make) {
  constexpr int kAttempts = 1000;  // names of other threads, and left behind by programs that died
  for (int i = 0; i < kAttempts; ++i) {
    std::filesystem::path name = folder_of(target) / fmt::format(".sain-{}-{}.tmp", ::getpid(), i);
    if (make(name)) return name;
    if (errno != EEXIST) break;
  }
  return {};
}

/// What a file without a name can be linked from.
std::string link_of(int fd) {
  return fmt::format("/proc/self/fd/{}", fd);
}

}  // namespace

Result<AtomicFile> AtomicFile::create(const std::filesystem::path& target, FileAccess access) {
  const mode_t mode = access == FileAccess::kOwnerOnly ? 0600 : 0666;
  int fd = ::open(folder_of(target).c_str(), O_WRONLY | O_TMPFILE | O_CLOEXEC, mode);
  if (fd >= 0 && ::access(link_of(fd).c_str(), F_OK) == 0) return AtomicFile(target, {}, fd);
  if (fd >= 0) ::close(fd);  // without /proc
  std::filesystem::path temporary = temporary_name(target, [&](const std::filesystem::path& name) {
    fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    return fd >= 0;
  });
  if (temporary.empty()) return io_error(target, "create", errno);
  return AtomicFile(target, std::move(temporary), fd);
}

AtomicFile::AtomicFile(std::filesystem::path target, std::filesystem::path temporary, int fd)
    : target_(std::move(target)), temporary_(std::move(temporary)), fd_(fd) {}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : target_(std::move(other.target_)),
      temporary_(std::exchange(other.temporary_, {})),
      fd_(std::exchange(other.fd_, -1)),
      buffer_(std::move(other.buffer_)) {}

AtomicFile::~AtomicFile() {
  close();
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Status AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min(bytes.size(), kBufferBytes - buffer_.size()));
    buffer_.insert(buffer_.end(), piece.begin(), piece.end());
    bytes = bytes.subspan(piece.size());
    if (buffer_.size() < kBufferBytes) return {};
    SAIN_RETURN_IF_ERROR(write_through(buffer_));
    buffer_.clear();
  }
  return {};
}

Status AtomicFile::write_through(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failure("write");
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return {};
}

Status AtomicFile::commit() {
  SAIN_RETURN_IF_ERROR(write_through(buffer_));
  buffer_.clear();
  if (::fsync(fd_) != 0) return failure("write");
  if (temporary_.empty()) SAIN_RETURN_IF_ERROR(name());
  close();
  if (std::rename(temporary_.c_str(), target_.c_str()) != 0) return failure("create");
  temporary_.clear();
  sync_folder(folder_of(target_));
  return {};
}

/// A temporary one, since a link does not replace a file.
Status AtomicFile::name() {
  temporary_ = temporary_name(target_, [&](const std::filesystem::path& name) {
    return ::linkat(AT_FDCWD, link_of(fd_).c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0;
  });
  return temporary_.empty() ? failure("create") : Status();
}

Error AtomicFile::failure(const char* action) const {
  return io_error(target_, action, errno);
}

void AtomicFile::close() noexcept {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Status write_atomically(const std::filesystem::path& target, std::string_view text, FileAccess access) {
  SAIN_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::create(target, access));
  SAIN_RETURN_IF_ERROR(file.write(text));
  return file.commit();
}

}  // namespace sain::formats
