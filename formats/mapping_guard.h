// Reads of a mapped file that the file does not answer any more, as a fact to ask for in place of the process's end.
#pragma once

#include <cstddef>
#include <span>

namespace sain::formats {

/// Where another program has shortened a mapped file, or the disk cannot read it, the kernel answers a read of the
/// mapping with SIGBUS, which ends a process. As long as a guard watches the mapping the read, and all that lie behind
/// it, give zeros, and has_failed() says so: whoever has read asks before anybody relies on it.
///
/// A signal has one handler for the whole process, so what the guards share is a global. The first guard installs it; a
/// SIGBUS that no guard is about goes to the handler that was there before. Thread-safe.
class MappingGuard {
 public:
  MappingGuard() = default;  // watches nothing
  /// `mapping` is what mmap() gave, read-only; it must stay mapped until the guard is gone.
  explicit MappingGuard(std::span<const std::byte> mapping);
  MappingGuard(MappingGuard&& other) noexcept;
  MappingGuard& operator=(MappingGuard&& other) noexcept;
  ~MappingGuard();

  bool has_failed() const;

 private:
  struct Watch;
  friend struct Watches;
  Watch* watch_ = nullptr;
};

}  // namespace sain::formats
