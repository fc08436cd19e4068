#include "router/packages/merge.h"

#include <algorithm>

namespace sain::router {

Config with_packages(Config config, const PackageStore& store, const std::function<void(std::string_view)>& say) {
  const auto warn = [&](const Error& error) {
    if (say) say(error.message);
  };
  const auto packages = store.list();
  if (!packages) {
    warn(packages.error());
    return config;
  }
  for (const PackageVersions& versions : *packages) {
    auto package = store.load(versions.name, versions.active);
    if (!package) {
      warn(package.error());
      continue;
    }
    Config larger = config;
    MemberConfig& member = package->manifest.member;
    const auto same = std::ranges::find(larger.specialists, member.name, &MemberConfig::name);
    if (same != larger.specialists.end()) {
      *same = std::move(member);
    } else {
      larger.specialists.push_back(std::move(member));
    }
    if (const Status valid = check_config(larger)) {
      config = std::move(larger);
    } else {
      warn(valid.error());
    }
  }
  return config;
}

}  // namespace sain::router
