// sain doctor: whether this machine and its files are as SAIN needs them, and what to do where they are not.
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "router/catalog.h"
#include "router/conversations/conversation_store.h"
#include "router/monitoring/status_server.h"
#include "router/protocol/message.h"
#include "tools/commands/commands.h"
#include "tools/commands/exit_code.h"
#include "tools/commands/routed.h"
#include "tools/doctor/file_checks.h"
#include "tools/doctor/machine_checks.h"
#include "tools/interrupt.h"
#include "tools/progress_bar.h"
#include "tools/terminal/safe_text.h"

namespace sain::tools {
namespace {

struct Options {
  std::string config;
  bool verify = false;
  CacheCare care = CacheCare::kLook;
  bool json = false;
};

const char* verdict_name(Verdict verdict) {
  return verdict == Verdict::kOk ? "ok" : verdict == Verdict::kWarn ? "warn" : "fail";
}

Result<std::vector<Check>> compare_models() {
  const Interrupt interrupt;
  ProgressBar bar("Comparing");
  const auto show = [&bar](const router::CatalogEntry& entry, uint64_t n_bytes_done) {
    bar.show_bytes(n_bytes_done, entry.bytes, entry.name);
  };
  return verify_catalogue(show, interrupt.token());
}

Result<std::vector<Check>> run_checks(const Options& options) {
  const Result<router::Config> config = find_config(options.config);
  const uint64_t budget_bytes = (config ? *config : router::Config{}).memory_budget_bytes;
  uint64_t models_bytes = 0;
  const std::vector<Check> configuration = check_configuration(config, models_bytes);

  std::vector<Check> checks = {check_processor(), check_memory(budget_bytes, models_bytes), check_limits(budget_bytes),
                               check_energy(), check_disk(router::cache_dir())};
  checks.insert(checks.end(), configuration.begin(), configuration.end());
  SAIN_ASSIGN_OR_RETURN(const std::vector<Check> models, options.verify ? compare_models() : check_catalogue());
  checks.insert(checks.end(), models.begin(), models.end());
  checks.push_back(check_cache(router::cache_dir(), options.care));
  checks.push_back(check_conversations(router::conversations_file()));
  checks.push_back(check_status_folder(router::status_folder()));
  return checks;
}

void print_json(const std::vector<Check>& checks, bool is_well) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Check& check : checks) {
    list.push_back({{"name", check.name},
                    {"verdict", verdict_name(check.verdict)},
                    {"finding", check.finding},
                    {"advice", check.advice}});
  }
  fmt::print("{}\n", router::to_line({{"ok", is_well}, {"checks", std::move(list)}}));
}

Result<int> examine(const Options& options) {
  SAIN_ASSIGN_OR_RETURN(const std::vector<Check> checks, run_checks(options));
  const bool is_well = std::ranges::none_of(checks, [](const Check& c) { return c.verdict == Verdict::kFail; });
  if (options.json) {
    print_json(checks, is_well);
  } else {
    for (const Check& check : checks) {
      fmt::print("{:<5} {}: {}{}{}\n", verdict_name(check.verdict), safe_text(check.name), safe_text(check.finding),
                 check.advice.empty() ? "" : "; ", safe_text(check.advice));
    }
  }
  SAIN_RETURN_IF_ERROR(finish_output());
  return is_well ? kSuccess : kFailure;
}

}  // namespace

void add_doctor_command(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand(
      "doctor", "Check this machine, the configuration, the models, the cache and the conversations");
  const auto options = std::make_shared<Options>();
  command
      ->add_option("--config", options->config,
                   "The configuration to check (default: ./sain.toml, else the one built in)")
      ->type_name("FILE");
  command->add_flag("--verify", options->verify, "Compare the cached models with the catalogue's SHA-256 too");
  command->add_flag_callback(
      "--clean", [options] { options->care = CacheCare::kClean; },
      "Remove files of the cache that are of no use to this version");
  command->add_flag("--json", options->json,
                    "One object on a line: ok, and checks with name, verdict, finding, advice");
  command->footer(
      "A line for each check: ok; warn where SAIN works and could work better; fail where it will not. Exit code 1 if\n"
      "anything fails.\n"
      "Example:\n"
      "  sain doctor --verify");
  command->callback([options, &exit_code] {
    const Result<int> result = examine(*options);
    exit_code = result ? *result : fail("doctor", result.error());
  });
}

}  // namespace sain::tools
