// sain route: who would answer a request, and why; how well that works; training.
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "router/evaluation.h"
#include "router/protocol/message.h"
#include "tools/commands/commands.h"
#include "tools/commands/exit_code.h"
#include "tools/commands/routed.h"
#include "tools/interrupt.h"
#include "tools/terminal/safe_text.h"

namespace sain::tools {
namespace {

struct Options {
  RoutedOptions routed;
  std::string text, file;
  bool json = false;
  size_t drafts = 0;  // eval: of every so manieth request; 0: none
};

/// A decision, and how long the classification and it took.
struct TimedDecision {
  router::RouteDecision decision;
  double ms = 0;
};

TimedDecision decide_timed(router::Team& team, std::string_view text) {
  const auto start = std::chrono::steady_clock::now();
  TimedDecision timed{team.coordinator().route(text), 0};
  timed.ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  return timed;
}

Result<int> route(const Options& options) {
  SAIN_RETURN_IF_ERROR(check_utf8("TEXT", options.text));
  if (options.text.find_first_not_of(" \t\r\n") == std::string::npos)
    return make_error(ErrorCode::kInvalidArgument, "TEXT is empty: give the request to route");
  const Interrupt interrupt;
  SAIN_ASSIGN_OR_RETURN(const auto chat, open_routed_chat(options.routed, interrupt.token()));
  const std::shared_ptr<router::Team> team = chat->team();
  const auto [decision, ms] = decide_timed(*team, options.text);
  const router::RegistrySnapshot& registry = team->members();
  if (options.json) {
    nlohmann::ordered_json json = to_json(decision, registry);
    json["ms"] = ms;
    fmt::print("{}\n", router::to_line(json));
    return kSuccess;
  }
  fmt::print("{} {:.3f} {:.3f} {:.1f}\n", registry.names[index(decision.target)], decision.confidence, decision.margin,
             ms);
  fmt::print("{}\n", safe_text(decision.reason));
  for (size_t i = 0; i < decision.probabilities.size(); ++i)
    fmt::print("  {:<12} {:.3f}\n", registry.names[i], decision.probabilities[i]);
  return kSuccess;
}

Result<int> train(const Options& options) {
  const Interrupt interrupt;
  const auto start = std::chrono::steady_clock::now();
  SAIN_ASSIGN_OR_RETURN(const auto chat, open_routed_chat(options.routed, interrupt.token(), router::Retrain::kAlways));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const router::TrainingObserver observer = {
      .say = [](std::string_view line) { fmt::print(stderr, "sain: {}\n", line); }, .progress = {}};
  SAIN_RETURN_IF_ERROR(chat->prepare(observer, interrupt.token()));
  const std::shared_ptr<router::Team> team = chat->team();
  const router::RouteHead& head = team->classifier().head();
  if (options.json) {
    const nlohmann::ordered_json json = {{"intents", head.n_intents()},
                                         {"features", head.n_features()},
                                         {"background", head.n_background()},
                                         {"temperature", head.temperature()},
                                         {"file", team->classifier().head_file().string()},
                                         {"seconds", seconds}};
    fmt::print("{}\n", router::to_line(json));
  } else {
    fmt::print("{} intents of {} features in {:.1f} s, temperature {:.2f}: {}\n", head.n_intents(), head.n_features(),
               seconds, head.temperature(), team->classifier().head_file().string());
  }
  return kSuccess;
}

void print_gate(std::string_view score, const router::GateReport& gate) {
  fmt::print("{:<11}  AUROC {:.3f}; rejected at", score, gate.auroc);
  for (const router::RejectionPoint& point : gate.curve)
    fmt::print(" {:.3g} % kept: {:.1f} % ({:.3f}){}", 100 * point.kept, 100 * point.rejected, point.threshold,
               &point == &gate.curve.back() ? "\n" : ",");
}

nlohmann::ordered_json to_json(const router::GateReport& gate) {
  nlohmann::ordered_json curve = nlohmann::ordered_json::array();
  for (const router::RejectionPoint& point : gate.curve)
    curve.push_back({{"kept", point.kept}, {"threshold", point.threshold}, {"rejected", point.rejected}});
  return {{"auroc", gate.auroc}, {"curve", std::move(curve)}};
}

void print_report(const router::RouteReport& report, const router::RegistrySnapshot& registry) {
  fmt::print("{:<14}", "");
  for (const std::string& name : registry.names) fmt::print(" {:>12}", name);
  fmt::print("\n");
  for (size_t label = 0; label < report.confusion.size(); ++label) {
    fmt::print("{:<14}", label < registry.names.size() ? registry.names[label] : "out of scope");
    for (const uint32_t n : report.confusion[label]) fmt::print(" {:>12}", n);
    fmt::print("\n");
  }
  fmt::print("\naccuracy           {:.1f} % of {} requests in scope\n", 100 * report.accuracy, report.n_in_scope);
  fmt::print("rejected           {:.1f} % of {} requests out of scope\n", 100 * report.rejected, report.n_out_of_scope);
  fmt::print("most probable      {:.1f} %, if that one always answered\n", 100 * report.most_probable);
  print_gate("confidence", report.confidence);
  print_gate("familiarity", report.familiarity);
  fmt::print("calibration error  {:.3f}\n", report.calibration_error);
  fmt::print("latency            {:.1f} ms median, {:.1f} ms p95\n", report.median_ms, report.p95_ms);
}

nlohmann::ordered_json report_json(const router::RouteReport& report, const router::RegistrySnapshot& registry) {
  nlohmann::ordered_json confusion = nlohmann::ordered_json::object();
  for (size_t label = 0; label < report.confusion.size(); ++label) {
    nlohmann::ordered_json row = nlohmann::ordered_json::object();
    for (size_t i = 0; i < registry.names.size(); ++i) row[registry.names[i]] = report.confusion[label][i];
    confusion[label < registry.names.size() ? registry.names[label] : "out_of_scope"] = std::move(row);
  }
  return {{"accuracy", report.accuracy},
          {"in_scope", report.n_in_scope},
          {"out_of_scope", report.n_out_of_scope},
          {"rejected", report.rejected},
          {"most_probable", report.most_probable},
          {"confidence", to_json(report.confidence)},
          {"familiarity", to_json(report.familiarity)},
          {"calibration_error", report.calibration_error},
          {"median_ms", report.median_ms},
          {"p95_ms", report.p95_ms},
          {"confusion", std::move(confusion)}};
}

void print_report(const router::DraftReport& report) {
  fmt::print(
      "\ndrafts of the assistant to {} requests of its own and out of scope, and {} of specialists; where no one is "
      "sure to {} and {}\n",
      report.n_own, report.n_others, report.n_unsure_own, report.n_unsure_others);
  fmt::print("{:<10} {:>7} {:>7} {:>17}\n", "confidence", "tokens", "AUROC", "where unsure");
  for (const auto& row : report.measures)
    fmt::print("{:<10} {:>7} {:>7.3f} {:>17.3f}\n", to_string(row.measure), row.n_tokens, row.auroc, row.unsure_auroc);
  fmt::print("{:<10} {:>17} {:>17}\n", "threshold", "escalated", "by the right one");
  for (const auto& point : report.points)
    fmt::print("{:<10} {:>17} {:>17}\n", point.threshold, point.n_escalated, point.n_right);
}

nlohmann::ordered_json to_json(const router::DraftReport& report) {
  nlohmann::ordered_json measures = nlohmann::ordered_json::array(), points = nlohmann::ordered_json::array();
  for (const auto& row : report.measures)
    measures.push_back({{"measure", to_string(row.measure)},
                        {"tokens", row.n_tokens},
                        {"auroc", row.auroc},
                        {"unsure_auroc", row.unsure_auroc}});
  for (const auto& point : report.points)
    points.push_back({{"threshold", point.threshold}, {"escalated", point.n_escalated}, {"right", point.n_right}});
  return {{"own", report.n_own},
          {"others", report.n_others},
          {"unsure_own", report.n_unsure_own},
          {"unsure_others", report.n_unsure_others},
          {"measures", std::move(measures)},
          {"points", std::move(points)}};
}

Result<router::DraftReport> measure_drafts(router::Team& team, const std::vector<router::RoutedRequest>& routed,
                                           size_t every, const std::stop_token& stop) {
  std::vector<router::DraftedRequest> drafted;
  size_t n = 0;
  for (const router::RoutedRequest& request : routed) {
    if (++n % every != 0 && request.decision.cause != router::RouteCause::kBelowThreshold) continue;
    SAIN_ASSIGN_OR_RETURN(std::vector<double> logprobs,
                          team.coordinator().draft(request.request.text, router::DraftGate::kTokens, stop));
    if (stop.stop_requested()) return make_error(ErrorCode::kCancelled, "measuring drafts was stopped");
    drafted.push_back({request, std::move(logprobs)});
  }
  return router::report_drafts(drafted);
}

Result<std::vector<router::LabelledRequest>> labelled_requests(const Options& options, const router::Team& team) {
  const router::RegistrySnapshot& registry = team.members();
  if (!options.file.empty()) {
    SAIN_ASSIGN_OR_RETURN(const std::string text, read_text(options.file));
    return router::parse_labelled_requests(text, options.file, registry);
  }
  const std::string& name = team.config().routing.evaluation;
  if (name.empty())
    return make_error(ErrorCode::kInvalidArgument, "{}: names no routing.evaluation: give labelled requests with -f",
                      team.config().file);
  SAIN_ASSIGN_OR_RETURN(const std::string text, router::read_config_file(team.config(), name));
  return router::parse_labelled_requests(text, name, registry);
}

Result<int> evaluate(const Options& options) {
  const Interrupt interrupt;
  SAIN_ASSIGN_OR_RETURN(const auto chat, open_routed_chat(options.routed, interrupt.token()));
  const std::shared_ptr<router::Team> team = chat->team();
  const router::RegistrySnapshot& registry = team->members();
  SAIN_ASSIGN_OR_RETURN(const std::vector<router::LabelledRequest> requests, labelled_requests(options, *team));
  std::vector<router::RoutedRequest> routed;
  for (const router::LabelledRequest& request : requests) {
    if (interrupt.token().stop_requested()) return kInterrupted;
    auto [decision, ms] = decide_timed(*team, request.text);
    if (decision.probabilities.empty())
      return make_error(ErrorCode::kInvalidArgument, "\"{}\" cannot be classified: {}", request.text, decision.reason);
    routed.push_back({request, std::move(decision), ms});
  }
  const router::RouteReport report = router::report(routed, registry);
  std::optional<router::DraftReport> drafts;
  if (options.drafts > 0) {
    SAIN_ASSIGN_OR_RETURN(drafts, measure_drafts(*team, routed, options.drafts, interrupt.token()));
  }
  if (options.json) {
    nlohmann::ordered_json json = report_json(report, registry);
    if (drafts) json["drafts"] = to_json(*drafts);
    fmt::print("{}\n", router::to_line(json));
    return kSuccess;
  }
  print_report(report, registry);
  if (drafts) print_report(*drafts);
  fmt::print("\n");
  for (const router::RoutedRequest& item : routed) {
    const router::SpecialistId expected = item.request.label.value_or(router::kAssistant);
    if (item.decision.target != expected)
      fmt::print("{} not {}: {} ({})\n", registry.names[index(item.decision.target)], registry.names[index(expected)],
                 safe_text(item.request.text), item.decision.reason);
  }
  return kSuccess;
}

CLI::App* add_action(CLI::App& parent, const std::string& name, const std::string& description,
                     const std::shared_ptr<Options>& options, int& exit_code, Result<int> (*action)(const Options&)) {
  CLI::App* command = parent.add_subcommand(name, description);
  add_routed_options(*command, options->routed);
  command->add_flag("--json", options->json, "Print one JSON object");
  command->callback([=, &exit_code] {
    const Result<int> result = action(*options);
    exit_code = result ? *result : fail("route " + name, result.error());
  });
  return command;
}

}  // namespace

void add_route_command(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("route", "Show who would answer a request, and why");
  CLI::Option* text = command->add_option("TEXT", options->text, "The request, in quotes");
  command->add_flag("--json", options->json, "Print one JSON object");
  add_routed_options(*command, options->routed);
  add_action(*command, "train",
             "Train the router, whether or not it is trained already, and prepare every member's prompt", options,
             exit_code, &train);
  CLI::App* eval =
      add_action(*command, "eval", "Measure the router on labelled requests", options, exit_code, &evaluate);
  eval->add_option("-f,--file", options->file, "Labelled requests: name = [\"request\", ...]; see evaluation.toml")
      ->type_name("FILE");
  eval->add_option(
          "--drafts", options->drafts,
          "Also let the assistant begin to answer every Nth request, and all where no one is sure, and see whether "
          "it is surer of its own")
      ->check(in_range(1u, 1u << 30))
      ->type_name("N");
  command->require_subcommand(0, 1);
  command->footer(
      "Prints: specialist, confidence, margin, milliseconds; then the reason and the probabilities.\n"
      "Examples:\n"
      "  sain route 'Write a Python function that reverses a string.'\n"
      "  sain route eval");
  command->callback([options, command, text, &exit_code] {
    if (!command->get_subcommands().empty()) return;
    if (text->count() == 0) throw CLI::RequiredError("TEXT");
    const Result<int> result = route(*options);
    exit_code = result ? *result : fail("route", result.error());
  });
}

}  // namespace sain::tools
