#include "engine/aligned_buffer.h"

#include <sys/mman.h>

namespace sain::engine {

Result<AlignedBuffer> AlignedBuffer::allocate(size_t bytes, const char* purpose, Pages pages) {
  AlignedBuffer buffer;
  if (bytes == 0) return buffer;
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    return make_error(ErrorCode::kResourceExhausted, "no memory for {}: {} bytes wanted", purpose, bytes);
  }
  if (pages == Pages::kHuge) madvise(memory, bytes, MADV_HUGEPAGE);  // where they are off nothing changes
  buffer.data_ = memory;
  buffer.bytes_ = bytes;
  return buffer;
}

AlignedBuffer::~AlignedBuffer() {
  if (data_ != nullptr) munmap(data_, bytes_);
}

}  // namespace sain::engine
