#include "engine/cache_dir.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace sain::engine {
namespace {

/// The value of an environment variable that is set and not empty, else an empty string.
std::string environment(const char* variable) {
  const char* value = std::getenv(variable);
  return value ? value : "";
}

std::filesystem::path home_dir() {
  if (const std::string home = environment("HOME"); !home.empty()) return home;
  const passwd* user = getpwuid(geteuid());
  return user && user->pw_dir ? user->pw_dir : ".";
}

/// The folder that `own` names, else one for us where the XDG base directory specification has such things: in what
/// `xdg` names (a relative path is invalid and ignored), or in `fallback`.
std::filesystem::path base_dir(const char* own, const char* xdg, const std::filesystem::path& fallback) {
  if (const std::string dir = environment(own); !dir.empty()) return dir;
  if (const std::filesystem::path dir = environment(xdg); dir.is_absolute()) return dir / "sain";
  return home_dir() / fallback / "sain";
}

}  // namespace

std::filesystem::path cache_dir() {
  return base_dir("SAIN_CACHE", "XDG_CACHE_HOME", ".cache");
}

std::filesystem::path data_dir() {
  return base_dir("SAIN_DATA", "XDG_DATA_HOME", ".local/share");
}

}  // namespace sain::engine
