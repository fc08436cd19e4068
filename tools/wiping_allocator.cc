// The heap of the program. What C++ code gives back to the heap is overwritten: what was said in a conversation that is
// forgotten cannot be found in the program's memory, nor in a dump of it. Linked into the program alone; whoever embeds
// the library decides for themselves. Large buffers (KV caches) are mapped, and the kernel clears them.
#include <malloc.h>
#include <string.h>

#include <cstdlib>
#include <new>

// Sanitizers have an allocator of their own.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SAIN_SANITIZED
#endif
#endif
#ifndef SAIN_SANITIZED

namespace {
/// Blocks as large as this are mapped, and go back to the system when they are freed. Left alone glibc raises the
/// threshold with each that is freed, and keeps the next one of its size: some MB after a load that packs weights.
[[maybe_unused]] const int threshold_is_fixed = mallopt(M_MMAP_THRESHOLD, 128 << 10);
}  // namespace

void* operator new(std::size_t n) {
  for (;;) {
    if (void* const p = std::malloc(n == 0 ? 1 : n)) return p;
    const std::new_handler handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc();
    handler();
  }
}

void operator delete(void* p) noexcept {
  if (p != nullptr) explicit_bzero(p, malloc_usable_size(p));
  std::free(p);
}

void operator delete(void* p, std::size_t) noexcept {
  operator delete(p);
}

#endif
#endif
