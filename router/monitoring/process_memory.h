// What the kernel says about the memory of this process.
#pragma once

#include <cstdint>
#include <filesystem>

namespace sain::router {

/// Physical memory in bytes; what the kernel does not tell is 0.
struct ProcessMemory {
  uint64_t rss_bytes = 0;        // now: the sum of the two below and of shared memory
  uint64_t peak_rss_bytes = 0;   // the most so far
  uint64_t anonymous_bytes = 0;  // its own: caches, buffers, weights that were packed into memory
  uint64_t file_bytes = 0;       // pages of mapped files, such as weights: the kernel takes them back when it must
};

/// Some microseconds. `root` is for tests: where proc/self/status is.
ProcessMemory process_memory(const std::filesystem::path& root = "/");

inline uint64_t rss_bytes() {
  return process_memory().rss_bytes;
}
inline uint64_t peak_rss_bytes() {
  return process_memory().peak_rss_bytes;
}

}  // namespace sain::router
