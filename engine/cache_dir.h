// Where SAIN keeps what it can make or fetch again, and what it cannot.
#pragma once

#include <filesystem>

namespace sain::engine {

/// SAIN_CACHE, else XDG_CACHE_HOME/sain, else ~/.cache/sain.
std::filesystem::path cache_dir();

/// What users have installed: SAIN_DATA, else XDG_DATA_HOME/sain, else ~/.local/share/sain.
std::filesystem::path data_dir();

}  // namespace sain::engine
