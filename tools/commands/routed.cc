#include "tools/commands/routed.h"

#include <filesystem>
#include <system_error>

#include "tools/progress_bar.h"

namespace sain::tools {

void add_routed_options(CLI::App& command, RoutedOptions& options) {
  command
      .add_option("--config", options.config,
                  "The assistant and its specialists (default: ./sain.toml, else the one built in)")
      ->type_name("FILE");
  command.add_flag("--no-packages", options.without_packages,
                   "Leave out the specialists that `sain specialists install` has added");
  add_run_options(command, options.run);
}

Result<router::Config> find_config(const std::string& path) {
  if (!path.empty()) return router::load_config(path);
  std::error_code ignored;
  if (std::filesystem::exists("sain.toml", ignored)) return router::load_config("sain.toml");
  return router::default_config();
}

Result<std::unique_ptr<router::RoutedChat>> open_routed_chat(const RoutedOptions& options, std::stop_token stop,
                                                             router::Retrain retrain) {
  SAIN_RETURN_IF_ERROR(options.run.check());
  if (options.run.window != 0 && !options.policy.empty() && options.policy != "stream")
    return make_error(ErrorCode::kInvalidArgument, "--policy: expected stream beside --window, found {}",
                      options.policy);
  SAIN_ASSIGN_OR_RETURN(const router::Config config, find_config(options.config));
  ProgressBar loading("Loading " + config.assistant.name);
  ProgressBar training("Training the router");
  router::RoutedChatOptions chat_options;
  SAIN_ASSIGN_OR_RETURN(chat_options.accelerator, options.run.open_device());
  chat_options.session = options.run.session(options.context, options.run.tuning());
  chat_options.policy = router::find_conversation_policy(options.run.window != 0 ? "stream" : options.policy);
  chat_options.threads = options.run.threads;
  chat_options.snapshots = prefix_folder();
  chat_options.retrain = retrain;
  if (!options.without_packages) chat_options.packages = router::PackageStore::of_user();
  chat_options.stop = std::move(stop);
  chat_options.on_status = [&loading](const router::StatusEvent& event) { loading.show_fraction(event.fraction); };
  chat_options.observer.say = [&loading](std::string_view line) {
    loading.clear();
    fmt::print(stderr, "sain: {}\n", line);
  };
  chat_options.observer.progress = [&](double fraction) {
    loading.clear();
    training.show_fraction(fraction);
  };
  return router::RoutedChat::open(config, chat_options);
}

}  // namespace sain::tools
