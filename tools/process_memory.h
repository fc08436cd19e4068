// What the system says about this process's memory.
#pragma once

#include <cstddef>

namespace sain::tools {

/// The most physical memory, in bytes, that this process has held so far; mapped files in memory included.
size_t peak_rss_bytes();

/// What it holds now.
size_t rss_bytes();

}  // namespace sain::tools
