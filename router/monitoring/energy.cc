#include "router/monitoring/energy.h"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>

#include "formats/result.h"

namespace sain::router {
namespace {

namespace fs = std::filesystem;

Result<std::string> read_line(const fs::path& path) {
  std::string line;
  errno = 0;
  std::ifstream file(path);
  if (file && std::getline(file, line)) return line;
  return make_error(ErrorCode::kIo, "{}: {}", path.string(), errno ? std::strerror(errno) : "nothing to read");
}

Result<uint64_t> read_number(const fs::path& path) {
  SAIN_ASSIGN_OR_RETURN(const std::string line, read_line(path));
  uint64_t number = 0;
  for (const char c : line) {
    if (c < '0' || c > '9' || number > UINT64_MAX / 10 - 1) {
      return make_error(ErrorCode::kCorrupt, "{}: expected an integer, found {}", path.string(), line.substr(0, 40));
    }
    number = number * 10 + static_cast<uint64_t>(c - '0');
  }
  return number;
}

}  // namespace

PackageEnergy::PackageEnergy(const fs::path& root) {
  const fs::path powercap = root / "sys/class/powercap";
  std::error_code error;
  for (const fs::directory_entry& zone : fs::directory_iterator(powercap, error)) {
    // Of intel-rapl:0 (AMD's are called so too) and its parts intel-rapl:0:0 only the former; psys holds packages.
    if (!zone.path().filename().string().starts_with("intel-rapl:")) continue;
    const auto name = read_line(zone.path() / "name");
    if (!name || !name->starts_with("package")) continue;
    Package package{.counter = zone.path() / "energy_uj"};
    const auto range = read_number(zone.path() / "max_energy_range_uj");
    const auto now = read_number(package.counter);
    if (!range || !now) {
      reason_ = (range ? now : range).error().message;
      return;
    }
    package.range_uj = *range;
    package.last_uj = *now;
    packages_.push_back(std::move(package));
  }
  if (packages_.empty()) reason_ = powercap.string() + " has no counter of a package: a virtual machine or container?";
}

std::optional<double> PackageEnergy::joules() {
  const std::lock_guard lock(mutex_);
  if (!reason_.empty()) return std::nullopt;
  for (Package& package : packages_) {
    const auto now = read_number(package.counter);
    if (!now) {
      reason_ = now.error().message;
      return std::nullopt;
    }
    // The counter goes up to its range, and then on from 0.
    const uint64_t wrapped_uj = *now < package.last_uj ? std::max(package.range_uj, package.last_uj) : 0;
    total_uj_ += wrapped_uj + *now - package.last_uj;
    package.last_uj = *now;
  }
  return static_cast<double>(total_uj_) / 1e6;
}

std::string PackageEnergy::reason() const {
  const std::lock_guard lock(mutex_);
  return reason_;
}

ProcessorUse processor_use() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return {seconds(usage.ru_utime) + seconds(usage.ru_stime), static_cast<uint64_t>(usage.ru_nvcsw)};
}

}  // namespace sain::router
