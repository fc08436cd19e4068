// sain privacy: what is personal in a text, and whether a request like it would leave this machine.
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "router/model_runner.h"
#include "router/privacy/decision.h"
#include "router/privacy/personal_data.h"
#include "tools/commands/commands.h"
#include "tools/commands/exit_code.h"
#include "tools/commands/options.h"
#include "tools/terminal/safe_text.h"

namespace sain::tools {
namespace {

struct Options {
  std::string text;
  std::string level = "on";
  bool json = false;
  bool redact = false;
  bool null = false;
  std::string vote;  // a model that says what is a name; empty: none
};

/// A model to ask about names.
struct Voter {
  std::unique_ptr<engine::ThreadPool> pool;
  LoadedModel model;
  std::unique_ptr<router::Registry> registry;
  std::unique_ptr<router::ModelRunner> runner;

  static Result<Voter> load(const std::string& name) {
    const RunOptions run;
    Voter voter;
    const engine::Tuning tuning = run.tuning();
    voter.pool = std::make_unique<engine::ThreadPool>(tuning);
    SAIN_ASSIGN_OR_RETURN(voter.model, load_model(name, run, tuning.isa, {}));
    router::Config config;
    config.assistant = {.name = "assistant", .model = name};
    voter.registry = std::make_unique<router::Registry>(config);
    voter.runner = std::make_unique<router::ModelRunner>(*voter.registry, *voter.pool, *voter.model.model,
                                                         run.session(1024, tuning), router::ConversationPolicy::kStop);
    return voter;
  }
};

void print_json(const std::vector<router::PersonalData>& findings, const router::PrivacyDecision& decision) {
  nlohmann::ordered_json json = {{"decision", to_string(decision.place)}, {"findings", nlohmann::json::array()}};
  for (const router::PersonalData& data : findings) {
    json["findings"].push_back({{"kind", to_string(data.kind)}, {"begin", data.begin}, {"end", data.end}});
  }
  fmt::print("{}\n", json.dump());
}

void print_text(std::string_view text, const std::vector<router::PersonalData>& findings,
                const router::PrivacyDecision& decision) {
  fmt::print("{}: {}\n", decision.is_kept_back ? "stays local" : "may leave", describe(decision));
  for (const router::PersonalData& data : findings) {
    fmt::print("  {:<14} {:>6}-{:<6} {}\n", to_string(data.kind), data.begin, data.end,
               safe_text(text.substr(data.begin, data.end - data.begin)));
  }
}

void look_at(std::string_view text, const router::PersonalDataOptions& how, const Options& options) {
  const auto findings = router::find_personal_data(text, how);
  const auto decision = router::decide_privacy(findings, how.level, router::AnswerPlace::kCloud);
  if (options.redact) {
    fmt::print("{}\n", safe_text(router::redact(text, findings)));
  } else if (options.json) {
    print_json(findings, decision);
  } else {
    print_text(text, findings, decision);
  }
}

Status look(const Options& options, bool text_given) {
  router::PersonalDataOptions how = {.level = *router::find_privacy_level(options.level)};
  std::optional<Voter> voter;
  if (!options.vote.empty()) {
    SAIN_ASSIGN_OR_RETURN(voter, Voter::load(options.vote));
    how.name_vote = [&](auto text, auto candidate) { return voter->runner->name_vote(text, candidate); };
  }
  if (text_given) {
    look_at(options.text, how, options);
  } else {
    for (std::string line; std::getline(std::cin, line, options.null ? '\0' : '\n');) look_at(line, how, options);
  }
  return finish_output();
}

}  // namespace

void add_privacy_command(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("privacy", "Show what is personal in a text, and where a request with it may go");
  CLI::Option* text =
      command->add_option("text", options->text, "The text (default: each line of standard input)")->type_name("TEXT");
  command->add_option("--level", options->level, "on: what is surely personal; strict: what may be")
      ->check(CLI::IsMember({"on", "strict"}).description(""))
      ->type_name("LEVEL")
      ->capture_default_str();
  command->add_option("--vote", options->vote, "Ask this model what is a name, where only the form would tell")
      ->type_name("MODEL");
  const auto json = command->add_flag(
      "--json", options->json,
      "Print a JSON object for each text: {\"decision\": \"local\" or \"cloud\", \"findings\": [{\"kind\", \"begin\", "
      "\"end\"}, ...]}, in bytes");
  command->add_flag("--redact", options->redact, "Print the text with placeholders")->excludes(json);
  command->add_flag("-0,--null", options->null, "Texts of standard input end in NUL, not in newlines")->excludes(text);
  command->footer(
      "Examples:\n"
      "  sain privacy \"Write to anna.fischer@example.org\"\n"
      "  sain privacy --level strict --json < requests.txt");
  command->callback([options, text, &exit_code] {
    const Status status = look(*options, text->count() > 0);
    exit_code = status ? kSuccess : fail("privacy", status.error());
  });
}

}  // namespace sain::tools
