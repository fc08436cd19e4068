// Where SAIN keeps what it can make or fetch again.
#pragma once

#include <filesystem>

namespace sain::engine {

/// SAIN_CACHE, else XDG_CACHE_HOME/sain, else ~/.cache/sain.
std::filesystem::path cache_dir();

}  // namespace sain::engine
