// A configuration with the specialists that are installed.
#pragma once

#include <functional>
#include <string_view>

#include "router/config.h"
#include "router/packages/store.h"

namespace sain::router {

/// The active packages join the specialists of `config`, or take the place of those with the same name. One that cannot
/// be read or does not fit beside the others is only said: the rest goes on without it.
Config with_packages(Config config, const PackageStore& store, const std::function<void(std::string_view)>& say);

}  // namespace sain::router
