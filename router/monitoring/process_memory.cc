#include "router/monitoring/process_memory.h"

#include <sys/resource.h>

#include <fstream>
#include <string>

namespace sain::router {

ProcessMemory process_memory(const std::filesystem::path& root) {
  ProcessMemory memory;
  const struct {
    const char* key;
    uint64_t& bytes;
  } lines[] = {{"VmRSS:", memory.rss_bytes},
               {"VmHWM:", memory.peak_rss_bytes},
               {"RssAnon:", memory.anonymous_bytes},
               {"RssFile:", memory.file_bytes}};
  std::ifstream status(root / "proc/self/status");
  for (std::string key, rest; status >> key; std::getline(status, rest)) {
    for (const auto& line : lines) {
      uint64_t kib = 0;
      if (key == line.key && status >> kib) line.bytes = kib * 1024;
    }
  }
  if (memory.peak_rss_bytes == 0) {
    // Not first: across exec() it keeps the peak of the program that started this one.
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    memory.peak_rss_bytes = static_cast<uint64_t>(usage.ru_maxrss) * 1024;
  }
  return memory;
}

}  // namespace sain::router
