// An owner of zero-filled memory that starts on a page, for caches and scratch.
#pragma once

#include <cstddef>
#include <utility>

#include "formats/result.h"

namespace sain::engine {

/// kHuge saves TLB misses where all of a buffer is read again and again. Where a part may never be touched it costs
/// memory and, as the kernel fills 2 MiB with zeros at a first touch, time.
enum class Pages { kSmall, kHuge };

/// Movable; the memory is returned to the operating system at once when the buffer dies.
class AlignedBuffer {
 public:
  /// Errors: kResourceExhausted naming `purpose` and the size.
  static Result<AlignedBuffer> allocate(size_t bytes, const char* purpose, Pages pages = Pages::kSmall);

  AlignedBuffer() = default;
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~AlignedBuffer();

  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }
  size_t bytes() const { return bytes_; }

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace sain::engine
