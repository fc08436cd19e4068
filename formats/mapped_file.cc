#include "formats/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>
#include <utility>

namespace sain::formats {
namespace {

Error system_error(const std::filesystem::path& path, const char* action, int number) {
  const ErrorCode code = number == ENOENT || number == ENOTDIR ? ErrorCode::kNotFound
                         : number == ENOMEM                    ? ErrorCode::kResourceExhausted
                                                               : ErrorCode::kIo;
  return make_error(code, "{}: cannot {}: {}", path.string(), action, std::generic_category().message(number));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

/// What the kernel makes of it changes speed alone.
void advise(std::span<const std::byte> bytes, int advice) {
  const size_t before = reinterpret_cast<uintptr_t>(bytes.data()) % static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  ::madvise(const_cast<std::byte*>(bytes.data() - before), bytes.size() + before, advice);
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
  // O_NONBLOCK: opening a named pipe by mistake must not wait for a writer.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return system_error(path, "open", errno);
  struct stat status;
  if (::fstat(file.get(), &status) != 0) return system_error(path, "read its size", errno);
  if (!S_ISREG(status.st_mode)) {
    return make_error(ErrorCode::kIo, "{}: expected a regular file, found {}", path.string(),
                      S_ISDIR(status.st_mode) ? "a directory" : "a device, pipe or socket");
  }
  if (static_cast<uintmax_t>(status.st_size) > SIZE_MAX) return system_error(path, "map", EFBIG);
  const size_t size = static_cast<size_t>(status.st_size);
  if (size == 0) return MappedFile(path, {});
  void* const address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (address == MAP_FAILED) return system_error(path, "map", errno);
  return MappedFile(path, std::span(static_cast<const std::byte*>(address), size));
}

Status MappedFile::status() const {
  if (!guard_.has_failed()) return {};
  return make_error(ErrorCode::kIo,
                    "{}: cannot be read any more: it was cut while it was in use, or the disk is broken",
                    path_.string());
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), bytes_(std::exchange(other.bytes_, {})), guard_(std::move(other.guard_)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(bytes_, other.bytes_);
  std::swap(guard_, other.guard_);
  return *this;
}

MappedFile::~MappedFile() {
  guard_ = MappingGuard();  // before the address can be somebody else's
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

SparseReads::SparseReads(std::span<const std::byte> bytes) : bytes_(bytes) {
  advise(bytes_, MADV_RANDOM);
}

SparseReads::~SparseReads() {
  advise(bytes_, MADV_NORMAL);
}

}  // namespace sain::formats
