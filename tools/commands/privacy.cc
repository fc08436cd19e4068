// sain privacy: what is personal in a text, and whether a request like it would leave this machine.
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "router/privacy/decision.h"
#include "router/privacy/personal_data.h"
#include "tools/commands/commands.h"
#include "tools/commands/exit_code.h"
#include "tools/terminal/safe_text.h"

namespace sain::tools {
namespace {

struct Options {
  std::string text;
  std::string level = "on";
  bool json = false;
  bool redact = false;
  bool null = false;
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

void look_at(std::string_view text, router::PrivacyLevel level, const Options& options) {
  const auto findings = router::find_personal_data(text, {.level = level});
  const auto decision = router::decide_privacy(findings, level, router::AnswerPlace::kCloud);
  if (options.redact) {
    fmt::print("{}\n", safe_text(router::redact(text, findings)));
  } else if (options.json) {
    print_json(findings, decision);
  } else {
    print_text(text, findings, decision);
  }
}

Status look(const Options& options, bool text_given) {
  const router::PrivacyLevel level = *router::find_privacy_level(options.level);
  if (text_given) {
    look_at(options.text, level, options);
  } else {
    for (std::string line; std::getline(std::cin, line, options.null ? '\0' : '\n');) look_at(line, level, options);
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
