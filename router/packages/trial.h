// Trying a package before it is installed: what it takes, how fast it is, and whether it is good enough.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string_view>

#include "engine/session.h"
#include "engine/thread_pool.h"
#include "formats/result.h"
#include "router/member_config.h"
#include "router/packages/store.h"

namespace sain::router {

struct TrialOptions {
  engine::SessionOptions session = {};
  uint64_t room_bytes = 0;                     // that there is for it beside the assistant
  std::optional<MemberConfig> assistant = {};  // is asked the same questions; its model is a path
  bool is_forced = false;                      // bad scores are said, and refuse nothing
  std::function<void(std::string_view)> say = {};
  std::function<void(double fraction)> progress = {};
  std::stop_token stop = {};
};

/// Loads the package's model, asks it the questions of its metric, greedily, and measures on the way. It is refused
/// where it does not fit (kResourceExhausted), does not load (the error of the load), gets less than its own minimum or
/// than nine tenths of its reference, or does worse than the active version in the questions of both by more than
/// chance would have it in one of twenty cases (kUnsupported, with the figures). Errors also: kCancelled.
Result<PackageReport> try_package(const InstalledPackage& package, const std::optional<InstalledPackage>& active,
                                  engine::ThreadPool& pool, const TrialOptions& options);

}  // namespace sain::router
