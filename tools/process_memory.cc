#include "tools/process_memory.h"

#include <sys/resource.h>

#include <fstream>
#include <string>

namespace sain::tools {

size_t peak_rss_bytes() {
  // Not getrusage first: across exec() it keeps the peak of the program that started this one.
  std::ifstream status("/proc/self/status");
  for (std::string key; status >> key;) {
    size_t kib = 0;
    if (key == "VmHWM:" && status >> kib) return kib * 1024;
    std::getline(status, key);
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<size_t>(usage.ru_maxrss) * 1024;
}

}  // namespace sain::tools
