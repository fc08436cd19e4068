#include "tools/process_memory.h"

#include <sys/resource.h>

#include <fstream>
#include <string>
#include <string_view>

namespace sain::tools {

namespace {

/// A line of /proc/self/status, in bytes; 0 if there is none.
size_t status_bytes(std::string_view wanted) {
  std::ifstream status("/proc/self/status");
  for (std::string key; status >> key;) {
    size_t kib = 0;
    if (key == wanted && status >> kib) return kib * 1024;
    std::getline(status, key);
  }
  return 0;
}

}  // namespace

size_t rss_bytes() {
  return status_bytes("VmRSS:");
}

size_t peak_rss_bytes() {
  // Not getrusage first: across exec() it keeps the peak of the program that started this one.
  if (const size_t bytes = status_bytes("VmHWM:")) return bytes;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<size_t>(usage.ru_maxrss) * 1024;
}

}  // namespace sain::tools
