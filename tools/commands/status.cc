// sain status: what the running programs are doing.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "router/monitoring/status_report.h"
#include "router/monitoring/status_server.h"
#include "tools/commands/commands.h"
#include "tools/commands/exit_code.h"
#include "tools/interrupt.h"
#include "tools/terminal/live_screen.h"
#include "tools/terminal/safe_text.h"
#include "tools/terminal/status_view.h"

namespace sain::tools {
namespace {

using nlohmann::ordered_json;
using router::RunningProgram;

constexpr auto kPatience = std::chrono::seconds(3);
constexpr const char* kNobody = "No SAIN program is running.\n";

struct Options {
  bool json = false;
  bool metrics = false;
  int64_t pid = 0;  // 0: all
};

/// Errors: kNotFound where --pid asks for one that does not run.
Result<std::vector<RunningProgram>> find_programs(const Options& options) {
  std::vector<RunningProgram> programs = router::running_programs();
  if (options.pid == 0) return programs;
  std::erase_if(programs, [&](const RunningProgram& program) { return program.pid != options.pid; });
  if (!programs.empty()) return programs;
  return make_error(ErrorCode::kNotFound, "no SAIN program is running as process {}", options.pid);
}

/// The answers of all; a program that has ended in the meantime has none.
Result<std::vector<std::string>> ask_all(const Options& options, std::string_view request) {
  std::vector<std::string> answers;
  SAIN_ASSIGN_OR_RETURN(const std::vector<RunningProgram> programs, find_programs(options));
  for (const RunningProgram& program : programs) {
    auto answer = router::ask_status(program.socket, request, kPatience);
    if (answer) {
      answers.push_back(*std::move(answer));
    } else if (answer.error().code != ErrorCode::kNotFound) {
      return std::move(answer).error();
    }
  }
  return answers;
}

/// What one program says, or why it does not; empty where it has ended in the meantime.
std::string as_text(const RunningProgram& program) {
  const auto answer = router::ask_status(program.socket, "status", kPatience);
  if (!answer && answer.error().code == ErrorCode::kNotFound) return {};
  const auto report = answer ? router::parse_status_report(*answer) : answer.error();
  return report ? status_text(*report, std::time(nullptr))
                : fmt::format("process {}: {}\n", program.pid, safe_text(report.error().message));
}

Result<std::string> all_as_text(const Options& options) {
  SAIN_ASSIGN_OR_RETURN(const std::vector<RunningProgram> programs, find_programs(options));
  std::string text;
  for (const RunningProgram& program : programs) {
    const std::string one = as_text(program);
    if (!text.empty() && !one.empty()) text += '\n';
    text += one;
  }
  return text.empty() ? kNobody : text;
}

Status print_json(const Options& options) {
  SAIN_ASSIGN_OR_RETURN(const std::vector<std::string> answers, ask_all(options, "status"));
  ordered_json programs = ordered_json::array();
  for (const std::string& answer : answers) {
    SAIN_RETURN_IF_ERROR(router::parse_status_report(answer));
    programs.push_back(ordered_json::parse(answer));
  }
  fmt::print("{}\n", programs.dump(2));
  return finish_output();
}

Status print_metrics(const Options& options) {
  SAIN_ASSIGN_OR_RETURN(const std::vector<RunningProgram> programs, find_programs(options));
  if (programs.size() > 1) {
    // Two texts together would be none that Prometheus reads.
    std::string pids;
    for (const RunningProgram& program : programs) pids += fmt::format(" {}", program.pid);
    return make_error(ErrorCode::kInvalidArgument, "--metrics: several programs are running, --pid says which:{}",
                      pids);
  }
  SAIN_ASSIGN_OR_RETURN(const std::vector<std::string> answers, ask_all(options, "metrics"));
  if (answers.empty()) fmt::print(stderr, "{}", kNobody);
  for (const std::string& answer : answers) fmt::print("{}", answer);
  return finish_output();
}

Status print_text(const Options& options) {
  SAIN_ASSIGN_OR_RETURN(const std::string text, all_as_text(options));
  fmt::print("{}", text);
  return finish_output();
}

/// Once a second, until q or Ctrl-C.
Status watch(const Options& options) {
  using Clock = std::chrono::steady_clock;
  const Interrupt interrupt;
  LiveScreen screen;
  for (auto next = Clock::now();;) {
    SAIN_ASSIGN_OR_RETURN(const std::string text, all_as_text(options));
    screen.draw(text + "\nq leaves\n");
    for (next += std::chrono::seconds(1); Clock::now() < next;) {
      const char key = screen.wait_for_key(std::chrono::milliseconds(100));
      if (key == 'q' || key == 'Q' || key == '\4' || interrupt.token().stop_requested()) return {};
    }
  }
}

Status show(const Options& options) {
  if (options.json) return print_json(options);
  if (options.metrics) return print_metrics(options);
  return isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1 ? watch(options) : print_text(options);
}

}  // namespace

void add_status_command(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("status", "Show what running SAIN programs are doing");
  const auto options = std::make_shared<Options>();
  CLI::Option* json = command->add_flag(
      "--json", options->json, "An array with an object for each program (router/monitoring/status.md has its fields)");
  command->add_flag("--metrics", options->metrics, "The metrics of one program as Prometheus reads them")
      ->excludes(json);
  command->add_option("--pid", options->pid, "Only this process")
      ->check(CLI::PositiveNumber.description(""))
      ->type_name("PID");
  command->footer(
      "On a terminal: models, memory, requests, times and energy, once a second until q or Ctrl-C. From a pipe: once.\n"
      "Programs answer through sockets in $XDG_RUNTIME_DIR/sain, else in the folder run of the cache; nobody else can\n"
      "ask them, and they tell nothing of what was asked and answered.\n"
      "Example:\n"
      "  sain status --json");
  command->callback([options, &exit_code] {
    const Status status = show(*options);
    exit_code = status ? kSuccess : fail("status", status.error());
  });
}

}  // namespace sain::tools
