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

}  // namespace

std::filesystem::path cache_dir() {
  if (const std::string dir = environment("SAIN_CACHE"); !dir.empty()) return dir;
  // The XDG base directory specification: a relative XDG_CACHE_HOME is invalid and ignored.
  if (const std::filesystem::path dir = environment("XDG_CACHE_HOME"); dir.is_absolute()) return dir / "sain";
  return home_dir() / ".cache" / "sain";
}

}  // namespace sain::engine
