// The `sain` program: picks the subcommand; see tools/commands/.
#include "tools/commands/commands.h"

int main(int argc, char** argv) {
  CLI::App app{"SAIN: private language models on one small machine", "sain"};
  app.require_subcommand(1);
  int exit_code = 0;
  sain::tools::add_models_command(app, exit_code);
  sain::tools::add_bench_command(app, exit_code);
  sain::tools::add_embed_command(app, exit_code);
  sain::tools::add_eval_command(app, exit_code);
  sain::tools::add_tune_command(app, exit_code);
  sain::tools::add_inspect_command(app, exit_code);
  sain::tools::add_logits_command(app, exit_code);
  sain::tools::add_make_model_command(app, exit_code);
  sain::tools::add_run_command(app, exit_code);
  sain::tools::add_chat_command(app, exit_code);
  sain::tools::add_serve_command(app, exit_code);
  sain::tools::add_route_command(app, exit_code);
  sain::tools::add_specialists_command(app, exit_code);
  sain::tools::add_replay_command(app, exit_code);
  sain::tools::add_privacy_command(app, exit_code);
  sain::tools::add_status_command(app, exit_code);
  sain::tools::add_doctor_command(app, exit_code);
  sain::tools::add_devices_command(app, exit_code);
  sain::tools::add_tokenize_command(app, exit_code);
  sain::tools::add_detokenize_command(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return exit_code;
}
