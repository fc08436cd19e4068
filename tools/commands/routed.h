// What `sain chat` and `sain route` share: the configuration, and opening it with progress for people.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <stop_token>
#include <string>

#include "formats/result.h"
#include "router/config.h"
#include "router/routed_chat.h"
#include "tools/commands/options.h"

namespace sain::tools {

struct RoutedOptions {
  std::string config;             // empty: see find_config()
  bool without_packages = false;  // of PackageStore::of_user()
  RunOptions run;
  uint32_t context = 0;  // 0: the configuration's
  std::string policy;    // empty: the configuration's, or with --window a stream
};

/// --config, and the options of running models.
void add_routed_options(CLI::App& command, RoutedOptions& options);

/// The configuration of `path`; without one, ./sain.toml if it is there, else the one built into the program.
Result<router::Config> find_config(const std::string& path);

/// Opens the configuration; progress bars on a terminal, messages on stderr.
Result<std::unique_ptr<router::RoutedChat>> open_routed_chat(const RoutedOptions& options, std::stop_token stop,
                                                             router::Retrain retrain = router::Retrain::kIfStale);

}  // namespace sain::tools
