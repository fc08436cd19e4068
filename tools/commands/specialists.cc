// sain specialists: packages of specialists, made, checked, installed, rolled back, removed.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "formats/atomic_file.h"
#include "router/packages/signature.h"
#include "router/packages/store.h"
#include "router/packages/trial.h"
#include "router/protocol/message.h"
#include "tools/commands/commands.h"
#include "tools/commands/exit_code.h"
#include "tools/commands/routed.h"
#include "tools/interrupt.h"
#include "tools/progress_bar.h"
#include "tools/terminal/safe_text.h"

namespace sain::tools {
namespace {

using nlohmann::ordered_json;
using router::InstalledPackage;
using router::PackageStore;

struct SpecialistsOptions {
  RoutedOptions routed;
  std::string folder, key, name, version;
  bool json = false, is_forced = false, may_be_unsigned = false, distrusts = false;
};

ordered_json to_json(const InstalledPackage& package) {
  const router::PackageManifest& manifest = package.manifest;
  const router::PackageReport& report = package.report;
  ordered_json json = {{"name", manifest.member.name},
                       {"version", manifest.member.version},
                       {"description", manifest.member.description},
                       {"boundaries", manifest.boundaries},
                       {"licence", manifest.licence},
                       {"model", manifest.member.model},
                       {"folder", package.folder.string()},
                       {"memory_bytes", report.memory_bytes},
                       {"kv_bytes", report.kv_bytes},
                       {"load_ms", report.load_ms},
                       {"first_token_ms", report.first_token_ms},
                       {"decode_tps", report.decode_tps},
                       {"metric", manifest.metric.name},
                       {"questions", manifest.metric.questions.size()},
                       {"score", report.score},
                       {"standard_error", report.standard_error}};
  if (report.assistant_score) json["assistant_score"] = *report.assistant_score;
  return json;
}

void print(const InstalledPackage& package) {
  const router::PackageReport& report = package.report;
  fmt::print("  {} MiB, loads in {:.0f} ms, first token after {:.0f} ms, then {:.1f} a second\n",
             report.memory_bytes >> 20, report.load_ms, report.first_token_ms, report.decode_tps);
  fmt::print("  {}: {:.1f} % of {} questions, standard error {:.1f}{}\n", safe_text(package.manifest.metric.name),
             100 * report.score, package.manifest.metric.questions.size(), 100 * report.standard_error,
             report.assistant_score ? fmt::format(", the assistant {:.1f} %", 100 * *report.assistant_score) : "");
}

Result<int> list(const SpecialistsOptions& options) {
  const PackageStore store = PackageStore::of_user();
  SAIN_ASSIGN_OR_RETURN(const std::vector<router::PackageVersions> packages, store.list());
  ordered_json all = ordered_json::array();
  for (const router::PackageVersions& package : packages) {
    SAIN_ASSIGN_OR_RETURN(const std::vector<std::string> versions, store.versions(package.name));
    const auto loaded = store.load(package.name, package.active);
    ordered_json json = {{"name", package.name}, {"version", package.active}};
    if (loaded) json = to_json(*loaded);
    if (!loaded) json["error"] = loaded.error().message;
    json["versions"] = versions;
    json["before"] = package.before;
    all.push_back(std::move(json));
    if (options.json) continue;
    fmt::print("@{} {}: {}\n", package.name, package.active,
               safe_text(loaded ? loaded->manifest.member.description : loaded.error().message));
    if (loaded) print(*loaded);
    for (const std::string& version : versions)
      if (version != package.active) fmt::print("  {} is installed too\n", version);
  }
  if (options.json) {
    const ordered_json json = {{"folder", store.folder().string()}, {"specialists", std::move(all)}};
    fmt::print("{}\n", router::to_line(json));
  } else if (packages.empty()) {
    fmt::print(stderr, "No specialist is installed; `sain specialists install FOLDER` adds one.\n");
  }
  return kSuccess;
}

Result<int> install(const SpecialistsOptions& options) {
  SAIN_RETURN_IF_ERROR(options.routed.run.check());
  SAIN_ASSIGN_OR_RETURN(const router::Config config, find_config(options.routed.config));
  const Interrupt interrupt;
  engine::Tuning tuning = options.routed.run.tuning();
  if (options.routed.run.threads != 0) tuning.n_threads = options.routed.run.threads;
  engine::ThreadPool pool(tuning);
  router::TrialOptions trial;
  trial.session = options.routed.run.session(config.context_length, tuning);
  trial.room_bytes = config.memory_budget_bytes;
  trial.is_forced = options.is_forced;
  trial.stop = interrupt.token();
  ProgressBar copying("Copying"), asking("Trying");
  trial.say = [&](std::string_view line) {
    asking.clear();
    fmt::print(stderr, "sain: {}\n", safe_text(line));
  };
  trial.progress = [&](double fraction) { asking.show_fraction(fraction); };
  trial.assistant = config.assistant;
  SAIN_ASSIGN_OR_RETURN(const std::filesystem::path assistant, find_model_file(config, config.assistant.model));
  trial.assistant->model = assistant.string();

  router::InstallOptions installing;
  installing.may_be_unsigned = options.may_be_unsigned;
  installing.stop = interrupt.token();
  installing.progress = [&](uint64_t done, uint64_t total) { copying.show_bytes(done, total); };
  installing.trial = [&](const InstalledPackage& package, const std::optional<InstalledPackage>& active) {
    copying.clear();
    return try_package(package, active, pool, trial);
  };
  const auto package = PackageStore::of_user().install(options.folder, installing);
  copying.clear();
  asking.clear();
  if (!package && package.error().code == ErrorCode::kCancelled) return kInterrupted;
  if (!package) return package.error();
  if (options.json) {
    fmt::print("{}\n", router::to_line(to_json(*package)));
  } else {
    fmt::print("@{} {} is active\n", package->manifest.member.name, package->manifest.member.version);
    print(*package);
  }
  return kSuccess;
}

Result<int> roll_back(const SpecialistsOptions& options) {
  SAIN_ASSIGN_OR_RETURN(const std::string version, PackageStore::of_user().roll_back(options.name, options.version));
  fmt::print("@{} {} is active\n", options.name, version);
  return kSuccess;
}

Result<int> remove(const SpecialistsOptions& options) {
  SAIN_RETURN_IF_ERROR(PackageStore::of_user().remove(options.name, options.version));
  fmt::print("{}{} is removed\n", options.name, options.version.empty() ? "" : " " + options.version);
  return kSuccess;
}

/// The manifest of a folder, its checksums, and who has signed them.
Result<int> check(const SpecialistsOptions& options) {
  SAIN_ASSIGN_OR_RETURN(const router::PackageManifest manifest, router::load_manifest(options.folder));
  SAIN_RETURN_IF_ERROR(router::check_files(manifest, options.folder, {}));
  SAIN_ASSIGN_OR_RETURN(const std::vector<std::filesystem::path> trusted, PackageStore::of_user().trusted_keys());
  SAIN_ASSIGN_OR_RETURN(const std::string signer, router::signed_by(options.folder, trusted));
  size_t n_examples = 0;
  for (const router::Intent& intent : manifest.member.intents) n_examples += intent.examples.size();
  fmt::print("{} {}: {} files as expected, {}; {} intents, {} examples, {} questions\n", manifest.member.name,
             manifest.member.version, manifest.files.size(),
             signer.empty() ? "signed by nobody who is trusted" : "signed by " + signer, manifest.member.intents.size(),
             n_examples, manifest.metric.questions.size());
  return kSuccess;
}

Result<int> seal(const SpecialistsOptions& options) {
  SAIN_ASSIGN_OR_RETURN(const router::PackageManifest manifest, router::load_manifest(options.folder));
  SAIN_ASSIGN_OR_RETURN(const router::Checksums checksums, router::checksums_of_files(options.folder, manifest.files));
  const std::filesystem::path path = std::filesystem::path(options.folder) / router::kChecksumsName;
  SAIN_RETURN_IF_ERROR(formats::write_atomically(path, router::to_text(checksums)));
  if (!options.key.empty()) SAIN_RETURN_IF_ERROR(router::sign_package(options.folder, options.key));
  fmt::print("{} {}: {} files{}\n", manifest.member.name, manifest.member.version, checksums.size(),
             options.key.empty() ? "" : ", signed");
  return kSuccess;
}

Result<int> verify(const SpecialistsOptions& options) {
  const PackageStore store = PackageStore::of_user();
  SAIN_ASSIGN_OR_RETURN(const std::vector<router::PackageVersions> packages, store.list());
  int exit_code = kSuccess;
  for (const router::PackageVersions& package : packages) {
    if (!options.name.empty() && options.name != package.name) continue;
    SAIN_ASSIGN_OR_RETURN(const std::vector<std::string> versions, store.versions(package.name));
    for (const std::string& version : versions) {
      const Status status = store.verify(package.name, version, {});
      fmt::print("{} {}: {}\n", package.name, version, status ? "as expected" : status.error().message);
      if (!status) exit_code = kFailure;
    }
  }
  return exit_code;
}

Result<int> make_key(const SpecialistsOptions& options) {
  SAIN_RETURN_IF_ERROR(router::make_signing_key(options.name));
  fmt::print("{0}.key signs and stays secret; {0}.pub is for those who trust it\n", options.name);
  return kSuccess;
}

Result<int> trust(const SpecialistsOptions& options) {
  PackageStore store = PackageStore::of_user();
  SAIN_RETURN_IF_ERROR(options.distrusts ? store.distrust(options.key) : store.trust(options.key));
  SAIN_ASSIGN_OR_RETURN(const std::vector<std::filesystem::path> trusted, store.trusted_keys());
  for (const std::filesystem::path& key : trusted) fmt::print("{} is trusted\n", key.stem().string());
  if (trusted.empty()) fmt::print("Packages of anybody are installed.\n");
  return kSuccess;
}

}  // namespace

void add_specialists_command(CLI::App& app, int& exit_code) {
  CLI::App* group = app.add_subcommand("specialists", "Install, update, roll back and remove specialists");
  group->require_subcommand(1);
  group->footer(
      "A package is a folder with package.toml; router/packages/README.md says what is in it. Installed ones live in\n"
      "$SAIN_DATA/specialists, else $XDG_DATA_HOME/sain/specialists, else ~/.local/share/sain/specialists, and join\n"
      "the specialists of the configuration; programs that run take them up within a second.");
  const auto options = std::make_shared<SpecialistsOptions>();
  const auto add = [&](const char* name, const char* help, Result<int> (*run)(const SpecialistsOptions&)) {
    CLI::App* command = group->add_subcommand(name, help);
    command->callback([options, &exit_code, run, name] {
      const Result<int> result = run(*options);
      exit_code = result ? *result : fail(fmt::format("specialists {}", name), result.error());
    });
    return command;
  };

  CLI::App* listing = add("list", "Show what is installed, what it takes and how good it is", list);
  listing->add_flag("--json", options->json, "Print the result as JSON");

  CLI::App* installing = add(
      "install", "Install a package, or update to it: checked, tried, and active only if it is good enough", install);
  installing->add_option("FOLDER", options->folder, "The package")->required();
  installing->add_flag("--force", options->is_forced, "Even if it scores too low, or lower than the version before");
  installing->add_flag("--unsigned", options->may_be_unsigned, "Even if nobody has signed it who is trusted");
  installing->add_flag("--json", options->json, "Print the result as JSON");
  installing
      ->add_option("--config", options->routed.config,
                   "Whose budget and assistant count (default: ./sain.toml, else the one built in)")
      ->type_name("FILE");
  add_run_options(*installing, options->routed.run);

  CLI::App* rolling_back = add("rollback", "Make the version active that was before, or another one", roll_back);
  rolling_back->add_option("NAME", options->name, "The specialist")->required();
  rolling_back->add_option("--to", options->version, "The version (default: the one that was active before)")
      ->type_name("VERSION");

  CLI::App* removing = add("remove", "Delete a specialist, or one version that is not active", remove);
  removing->add_option("NAME", options->name, "The specialist")->required();
  removing->add_option("--version", options->version, "That version alone (default: all)")->type_name("VERSION");

  CLI::App* verifying =
      add("verify", "Compare what is installed with its checksums; exit code 1 if it differs", verify);
  verifying->add_option("NAME", options->name, "The specialist (default: all)");

  CLI::App* checking = add("check", "Check a package before it is installed, without trying it", check);
  checking->add_option("FOLDER", options->folder, "The package")->required();

  CLI::App* sealing = add("seal", "Write a package's SHA256SUMS, and sign it", seal);
  sealing->add_option("FOLDER", options->folder, "The package")->required();
  sealing->add_option("--key", options->key, "Sign with this key")->type_name("FILE");

  CLI::App* keygen = add("keygen", "Make a key that signs packages", make_key);
  keygen->add_option("STEM", options->name, "Writes STEM.key and STEM.pub")->required();

  CLI::App* trusting =
      add("trust", "Install only packages that are signed with this key, or another trusted one", trust);
  trusting->add_option("KEY", options->key, "A file STEM.pub; with --remove its STEM")->required();
  trusting->add_flag("--remove", options->distrusts, "Trust it no more");
}

}  // namespace sain::tools
